import pytest

from edgevision.data.mot import read_mot
from edgevision.errors import DatasetError


def test_boxes_by_frame(tmp_path):
    (tmp_path / "gt.txt").write_text("2,7,10,20,30,40,1,-1,-1,-1\n\n1,7,1.5,2,3,4,0.5\n2,8,0,0,1,1,0.25\n")
    frames = read_mot(tmp_path / "gt.txt")
    assert list(frames) == [1, 2]
    assert frames[2].ids.tolist() == [7, 8]
    assert frames[2].boxes.tolist() == [[10, 20, 40, 60], [0, 0, 1, 1]]
    assert frames[1].scores.tolist() == [0.5]


def test_an_empty_file_has_no_frames(tmp_path):
    (tmp_path / "det.txt").write_text("")
    assert read_mot(tmp_path / "det.txt") == {}


@pytest.mark.parametrize("text", ["1,2,3\n", "1,2,3,4,5,6,x\n", "1,1,0,0,1,1,1\n1,1\n"])
def test_what_is_no_mot_file_is_refused(tmp_path, text):
    (tmp_path / "det.txt").write_text(text)
    with pytest.raises(DatasetError, match=r"det\.txt"):
        read_mot(tmp_path / "det.txt")
    with pytest.raises(DatasetError, match="absent"):
        read_mot(tmp_path / "absent.txt")
