"""`python -m portfolio_lab.demo`: the demo exchange as a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import ssl
import sys
from datetime import UTC, datetime
from pathlib import Path

from portfolio_lab.demo.server import DEFAULT_SEED, DEFAULT_SINCE, DemoExchange


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m portfolio_lab.demo", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED)
    parser.add_argument("--since", type=_instant, default=DEFAULT_SINCE, help="first day of the history")
    parser.add_argument("--now", type=_instant, help="where a scripted clock starts (default: --since)")
    parser.add_argument("--clock", choices=("live", "scripted"), default="live")
    parser.add_argument("--tls-cert", type=Path)
    parser.add_argument("--tls-key", type=Path)
    return parser


def _tls(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


async def serve(options: argparse.Namespace) -> None:
    """Listen until asked to stop, and say where in one line of JSON."""
    demo = DemoExchange(seed=options.seed, since=options.since, scripted=options.clock == "scripted", now=options.now)
    context = _tls(options.tls_cert, options.tls_key)
    await demo.start(host=options.host, port=options.port, ssl_context=context)
    stopped = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        # Before the line is printed: whoever reads it may ask us to stop at once.
        asyncio.get_running_loop().add_signal_handler(name, stopped.set)
    sys.stdout.write(json.dumps({"binance": demo.url, "okx": demo.url, "control": demo.control_url}) + "\n")
    sys.stdout.flush()
    try:
        await stopped.wait()
    finally:
        await demo.stop()


def main(arguments: list[str] | None = None) -> int:
    """Run the process; 2 when it cannot listen there."""
    options = _parser().parse_args(arguments)
    try:
        asyncio.run(serve(options))
    except OSError as problem:
        sys.stderr.write(f"cannot listen on {options.host}:{options.port}: {problem.strerror}; choose another --port\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
