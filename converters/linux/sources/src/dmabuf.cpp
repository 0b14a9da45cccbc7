// SPDX-License-Identifier: Apache-2.0
// Written by edgevision; do not edit.
#include "dmabuf.h"

#include <linux/dma-buf.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "error.h"

namespace ev {

namespace {

[[noreturn]] void refuse(size_t number, const std::string &what)
{
    throw Error(EV_ERROR_DMABUF, "frame: plane " + std::to_string(number) + ": " + what);
}

// Of descriptors that are no dmabuf (a memfd, shared memory) there is nothing to tell: ENOTTY.
int sync_cache(int fd, uint64_t flags)
{
    dma_buf_sync sync{};
    sync.flags = flags;
    int answer;
    do {
        answer = ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync);
    } while (answer != 0 && (errno == EINTR || errno == EAGAIN));
    return answer == 0 || errno == ENOTTY ? 0 : errno;
}

// Reading behind the end of a mapped file kills the process: its length is asked first. A dmabuf tells it by seeking.
void check_length(const ev_plane &plane, size_t number)
{
    struct stat known {};
    if (fstat(plane.fd, &known) != 0) {
        refuse(number, "descriptor " + std::to_string(plane.fd) + ": " + std::strerror(errno));
    }
    off_t length = known.st_size;
    if (length == 0) {
        length = lseek(plane.fd, 0, SEEK_END);
        lseek(plane.fd, 0, SEEK_SET);
    }
    if (length <= 0) {
        refuse(number, "descriptor " + std::to_string(plane.fd) + " has no length: it is no dmabuf");
    }
    const size_t room = static_cast<size_t>(length);
    if (plane.offset > room || plane.bytes > room - plane.offset) {
        throw Error(EV_ERROR_BYTES, "frame: plane " + std::to_string(number) + " leaves its dmabuf: got offset "
                                        + std::to_string(plane.offset) + " and " + std::to_string(plane.bytes)
                                        + " bytes; allowed: " + std::to_string(room) + " in all");
    }
}

}  // namespace

Mapping::Mapping(const ev_plane &plane, size_t number) : fd_(plane.fd)
{
    check_length(plane, number);
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t begin = plane.offset / page * page;
    length_ = plane.offset - begin + plane.bytes;
    start_ = mmap(nullptr, length_, PROT_READ, MAP_SHARED, fd_, static_cast<off_t>(begin));
    if (start_ == MAP_FAILED) {
        refuse(number, "descriptor " + std::to_string(fd_) + " cannot be mapped: " + std::strerror(errno));
    }
    if (const int reason = sync_cache(fd_, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ)) {
        munmap(start_, length_);
        refuse(number, std::string("DMA_BUF_IOCTL_SYNC: ") + std::strerror(reason));
    }
    data_ = static_cast<const uint8_t *>(start_) + (plane.offset - begin);
}

Mapping::~Mapping()
{
    sync_cache(fd_, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ);
    munmap(start_, length_);
}

}  // namespace ev
