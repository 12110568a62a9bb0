from __future__ import annotations

import warnings

with warnings.catch_warnings():
    # Their own class bodies warn once at import; what our code passes to them must not.
    warnings.simplefilter("ignore", DeprecationWarning)
    import bqplot  # noqa: F401
