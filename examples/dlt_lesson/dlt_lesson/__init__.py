"""Where dlt writes: by itself it would use the folder it is started in, and the home folder for its state."""

import os
from pathlib import Path

local = Path(__file__).parent.parent.resolve() / ".local"
local.mkdir(exist_ok=True)

# dlt's own variables, read when a pipeline is made.
os.environ["DLT_LOCAL_DIR"] = str(local)
os.environ["DLT_DATA_DIR"] = str(local / "dlt")
os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
