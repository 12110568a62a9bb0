from __future__ import annotations

import socket
from pathlib import Path

import pytest

from portfolio_lab.dashboard import serve
from portfolio_lab.errors import BadInputError
from portfolio_lab.layout import lay_lab


def test_a_taken_port_is_one_sentence_and_nothing_starts(tmp_path: Path) -> None:
    root = tmp_path / "lab"
    lay_lab(root)
    with socket.socket() as other:
        other.bind((serve.HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(BadInputError, match=rf"port {port} .* is taken: choose another one with --port"):
            serve.start_dashboard(root, port=port)


def test_a_folder_that_is_no_lab_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError):
        serve.start_dashboard(tmp_path, port=0)


def test_a_lab_without_its_store_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "lab"
    lay_lab(root)
    (root / "store").rename(root / "elsewhere")
    with pytest.raises(BadInputError):
        serve.start_dashboard(root, port=0)


def test_kernels_get_nothing_that_is_named_like_a_secret(tmp_path: Path) -> None:
    environment = {
        "PATH": "/bin",
        "PORTFOLIO_LAB_PASSPHRASE_FILE": "/x",
        "BINANCE_SECRET": "s",
        "okx_api_key": "k",
        "GH_TOKEN": "t",
        "DB_PASSWORD": "p",
    }
    kept = serve.kernel_environment(environment, tmp_path)
    assert kept["PATH"] == "/bin"
    assert kept["PORTFOLIO_LAB_DIR"] == str(tmp_path)
    assert not set(kept) & (set(environment) - {"PATH"})


def test_the_token_is_in_the_address_and_not_in_the_repr(tmp_path: Path) -> None:
    server = serve.Server(root=tmp_path, port=1, token="planted")
    assert server.url == "http://127.0.0.1:1/?token=planted"
    assert "planted" not in repr(server)


def test_the_settings_close_what_voila_leaves_open() -> None:
    settings = serve.voila_settings(8866, "planted")
    voila, configuration = settings["Voila"], settings["VoilaConfiguration"]
    assert (voila["ip"], voila["port_retries"], voila["token"]) == ("127.0.0.1", 0, "planted")
    assert (configuration["allow_template_override"], configuration["allow_theme_override"]) == ("NO", "NO")
    assert configuration["file_allowlist"] == []
    assert configuration["show_tracebacks"] is False
    assert settings["MappingKernelManager"] == {"cull_interval": 30, "cull_idle_timeout": 120, "cull_connected": False}
