"""The page's modules, run by node: `*.test.mjs` beside this file."""

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.system
@pytest.mark.parametrize("path", sorted(HERE.glob("*.test.mjs")), ids=lambda path: path.name)
def test_modules_in_node(path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.fail("node is not here: install it (Debian: `apt-get install nodejs`), version 18 or newer")
    done = subprocess.run([node, "--test", str(path)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
