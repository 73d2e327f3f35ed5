"""A disk that is really full while a session is recorded: a limit on the size of files in a child process."""

import subprocess
import sys
from pathlib import Path

import pytest

from wonderzoom.runtime import recording as r
from wonderzoom.runtime.recording import Recording

FILL = """
import resource, sys, time
from pathlib import Path
from wonderzoom.runtime import recording as r
from wonderzoom.runtime.recorder import Recorder
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
recorder = Recorder(Path(sys.argv[1]), r.Start("", {}), time.monotonic)
number = 0
while not recorder.stopped:
    for _ in range(10):
        recorder.put(lambda at: r.Gone(at, 1, f"v{number}"))
        number += 1
    time.sleep(0.01)
recorder.close()
print(recorder.stopped)
"""


@pytest.mark.slow
def test_a_recording_on_a_full_disk_is_whole_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "a.wzr"
    command = [sys.executable, "-c", FILL, str(path), "20000"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "File too large" and "The server goes on" in result.stderr
    recording = Recording.open(path)
    records = list(recording.records())
    assert recording.lost == 0 and path.stat().st_size <= 20_000
    assert [each.viewer for each in records if isinstance(each, r.Gone)] == [
        f"v{i}" for i in range(len(records))
    ]
    assert len(records) > 100
