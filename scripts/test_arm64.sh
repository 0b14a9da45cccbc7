#!/usr/bin/env bash
# The base install on arm64, under emulation: a Debian user land, the wheels that a board would get, predict and verify,
# and the outputs of an int8 model beside those of this machine.
#
# Usage: scripts/test_arm64.sh ARTIFACT [IMAGE], with qemu-user-static and debootstrap installed, as root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
artifact=${1:?an int8 TFLite artifact, as edgevision quantize makes it}
image=${2:-}
python=${PYTHON:-.venv/bin/python}
work=${ARM64_ROOT:-runs/arm64}
root=$work/root
for tool in qemu-aarch64-static debootstrap dpkg-deb; do
    command -v "$tool" >/dev/null || { echo "test-arm64: no $tool; install qemu-user-static and debootstrap" >&2; exit 1; }
done

if [ ! -e "$work/made" ]; then
    mkdir -p "$work"
    [ -d "$root/var/cache/apt/archives" ] ||
        debootstrap --foreign --arch arm64 --variant=minbase --include=python3,libstdc++6,libgomp1 bookworm "$root"
    # Unpacked, not configured: the maintainers' scripts would need the kernel to know the emulator.
    for package in "$root"/var/cache/apt/archives/*.deb "$root"/debootstrap/*.deb; do
        [ -e "$package" ] && dpkg-deb -x "$package" "$root"
    done
    touch "$work/made"
fi
cp "$(command -v qemu-aarch64-static)" "$root/usr/bin/"
mkdir -p "$root/dev" "$root/proc" "$root/tmp"
[ -e "$root/dev/null" ] || mknod -m 666 "$root/dev/null" c 1 3
[ -e "$root/dev/urandom" ] || mknod -m 666 "$root/dev/urandom" c 1 9
# What a Cortex-A76 says of itself: the emulator passes on the host's file.
for core in 0 1 2 3; do
    printf 'processor\t: %s\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x4\nCPU part\t: 0xd0b\nCPU revision\t: 1\n\n' "$core"
done > "$root/proc/cpuinfo"
printf 'MemTotal:        4194304 kB\n' > "$root/proc/meminfo"

site=$root/opt/site
rm -rf "$site" "$work/wheels" "$work/source"
mkdir -p "$site" "$work/wheels" "$work/source"
git archive HEAD | tar -x -C "$work/source"
"$python" -m pip wheel -q --no-deps --no-build-isolation -w "$work/wheels" "$work/source"
requirements=("numpy>=1.26" "click>=8.1" "Pillow>=10" "ai-edge-litert>=2.1")
"$python" -m pip download -q --only-binary :all: --python-version 3.11 --dest "$work/wheels" \
    --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 --platform manylinux_2_17_aarch64 \
    --platform manylinux2014_aarch64 "${requirements[@]}"
for wheel in "$work"/wheels/*.whl; do "$python" -m zipfile -e "$wheel" "$site"; done
du -sm "$site" | cut -f1 | xargs -I{} echo "installed: {} MB of site-packages"

rm -rf "$root/opt/artifact"
cp -r "$artifact" "$root/opt/artifact"
cp scripts/arm64_outputs.py "$root/opt/"
emulated() {
    chroot "$root" /usr/bin/qemu-aarch64-static -cpu cortex-a76 -E PYTHONPATH=/opt/site -E HOME=/tmp /usr/bin/python3 "$@"
}
emulated -m edgevision devices | head -12
if [ -n "$image" ]; then
    cp "$image" "$root/opt/image"
    emulated -m edgevision predict /opt/artifact /opt/image
fi
emulated -m edgevision verify /opt/artifact --runtime tflite
there=$(emulated /opt/arm64_outputs.py /opt/artifact)
here=$("$python" scripts/arm64_outputs.py "$artifact")
printf '%s\n%s\n' "$here" "$there"
reference() { "$python" -c 'import json, sys; print(json.loads(sys.argv[1])["reference"])' "$1"; }
if [ "$(reference "$here")" != "$(reference "$there")" ]; then
    echo "test-arm64: reference kernels answer differently on arm64" >&2
    exit 3
fi
echo "test-arm64: reference kernels answer the same, bit for bit"
