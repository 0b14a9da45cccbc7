"""What README shows works."""

import re
import subprocess
import sys

from edgevision.cli.app import COMMANDS


def test_the_example_runs(repository, tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", (repository / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Proportion" in done.stdout
    assert (tmp_path / "runs" / "readme" / "resnet8-tflite-float32" / "manifest.json").exists()


def test_the_commands_exist(repository):
    known = {name for section in COMMANDS.values() for name in section}
    text = (repository / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^ *edgevision ([a-z]+)", text, re.MULTILINE))
    assert named
    assert named <= known


def test_the_make_targets_exist(repository):
    targets = set(re.findall(r"^([a-z-]+):", (repository / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"^ *make ([a-z-]+)", (repository / "README.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"demo", "test"} <= named <= targets
