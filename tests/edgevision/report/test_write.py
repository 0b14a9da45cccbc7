"""report.json and report.html: whole, offline, harmless, the same each time."""

import dataclasses
import json
import re
from html.parser import HTMLParser

import pytest

from edgevision.errors import ConfigError, OutputError
from edgevision.report import Entry, History, Report, write_report
from edgevision.report.html import render_html

HOSTILE = '<script>alert(1)</script><img src="https://evil.example/x">$\\frac{1}{0}$ & "\'\x1b'
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """The elements of a page, with a check that each is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def page_text(report) -> str:
    return render_html(report)


def test_writes_both_files(report, tmp_path):
    json_path, html_path = write_report(report, tmp_path / "out")
    assert (json_path.name, html_path.name) == ("report.json", "report.html")
    assert Report.from_dict(json.loads(json_path.read_text(encoding="utf-8"))) == report
    assert html_path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_the_page_asks_the_network_for_nothing(page_text):
    page = Page(page_text)
    assert not {tag for tag, _ in page.elements} & {
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "base",
        "image",
    }
    addresses = [
        value
        for _, attributes in page.elements
        for name, value in attributes.items()
        if name in ("href", "xlink:href", "src", "srcset", "action", "data") and not value.startswith("#")
    ]
    assert addresses == []
    assert "://" not in page_text and "@import" not in page_text
    assert [address for address in re.findall(r"url\(([^)]*)\)", page_text) if not address.startswith("#")] == []


def test_every_reference_within_a_drawing_is_there_once(page_text):
    page = Page(page_text)
    identifiers = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(identifiers)) == len(identifiers)
    assert set(re.findall(r'(?:url\(#|href="#)([^")]+)', page_text)) <= set(identifiers)


def test_the_page_shows_the_figures(report, page_text):
    text = Page(page_text).text
    for figure in (
        "98,480",
        "82,055",
        "30.8",
        "88.25 ±1.41",
        "98.45 ±0.55",
        "broken",
        "unproven",
        "Some CPU @ 2.40 GHz",
    ):
        assert figure in text
    for heading in ("Size against accuracy", "Latency per runtime", "Confusion matrix: keras float32", "train: loss"):
        assert heading in text
    for caveat in ("rests on 2,000 images", "Parity is broken: openvino static_wi8_ai8", "A training ran beside"):
        assert caveat in text
    assert "calibration_samples 256" in text and "tensorflow 2.21.0" in text
    assert "prune: fine-tune, 2 epochs" in text


def test_axes_say_their_units(page_text):
    text = Page(page_text).text
    for label in (
        "top-1 accuracy (%), 95% interval",
        "time per inference (ms)",
        "accuracy (%)",
        "true (images)",
        "100 kB",
    ):
        assert label in text


def test_colours_follow_the_page(page_text):
    used = set(re.findall(r"var\((--[a-z-]+)\)", page_text))
    defined = set(re.findall(r"(--[a-z-]+):", page_text))
    assert {"--ink", "--blue", "--orange", "--grid"} <= used <= defined
    assert "#0101" not in page_text
    assert page_text.count("prefers-color-scheme: dark") == 1


def test_the_same_report_gives_the_same_page(report, page_text):
    assert render_html(report) == page_text


def test_untrusted_text_stays_text(make_report):
    base = make_report()
    entry = dataclasses.replace(base.entries[0], name=HOSTILE, scheme=HOSTILE)
    report = dataclasses.replace(
        base,
        title=HOSTILE,
        dataset=HOSTILE,
        reference=HOSTILE,
        entries=(entry, *base.entries[1:]),
        labels=(HOSTILE, *base.labels[1:]),
        environment={HOSTILE: HOSTILE},
        notes=(HOSTILE,),
        histories=(dataclasses.replace(base.histories[0], name=HOSTILE),),
    )
    text = render_html(report)
    page = Page(text)
    assert not {tag for tag, _ in page.elements} & {"script", "img"}
    assert all(not name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert "<script>alert(1)" in page.text and "\x1b" not in text


def test_labels_in_any_script(make_report):
    labels = ("飛行機", "автомобиль", "طائر", "😺", *make_report().labels[4:])
    text = Page(render_html(make_report(labels=labels))).text
    assert all(label in text for label in labels)


def test_a_report_of_next_to_nothing():
    text = Page(render_html(Report("bare", "m", (Entry("m", "tflite", "float32", 2000, 1500),)))).text
    assert "2,000" in text and "Not evaluated: tflite float32" in text and "Size against accuracy" not in text


def test_many_classes_have_no_matrix_and_no_harm(make_report):
    base = make_report()
    size = 300
    matrix = tuple(tuple(int(i == j) for j in range(size)) for i in range(size))
    run = dataclasses.replace(base.entries[0].runs[0], confusion=matrix)
    entry = dataclasses.replace(base.entries[0], runs=(run,))
    report = Report("many", entry.name, (entry,), labels=tuple(f"class {i}" for i in range(size)))
    text = render_html(report)
    assert "Confusion matrix" not in text and len(text) < 200_000


def test_a_short_history_is_told_in_words(make_report):
    text = Page(render_html(make_report(histories=(History("tune", {"loss": (0.5,)}),)))).text
    assert "tune, 1 epoch; after the last: loss 0.5." in text


def test_refuses_to_replace_what_it_was_not_asked_to(report, tmp_path):
    write_report(report, tmp_path / "out")
    with pytest.raises(ConfigError, match="--overwrite"):
        write_report(report, tmp_path / "out")
    write_report(dataclasses.replace(report, title="second"), tmp_path / "out", overwrite=True)
    assert Report.open(tmp_path / "out").title == "second"


def test_where_nothing_can_be_written(report):
    with pytest.raises(OutputError, match="cannot write"):
        write_report(report, "/proc/edgevision-report")


def test_a_file_in_the_way_is_kept(report, tmp_path):
    (tmp_path / "out").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="is a file"):
        write_report(report, tmp_path / "out")
    assert (tmp_path / "out").read_text(encoding="utf-8") == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
