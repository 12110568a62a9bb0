"""The Binance face of the demo exchange: unmodified clients of Binance can talk to it.

Every host family of Binance's (api, sapi, fapi, dapi, eapi, papi) answers under its own
path on one origin. A request is weighed first, then its key, time stamp and signature are
checked in Binance's order, and only then is it answered from the book.
"""

from __future__ import annotations

import json

from portfolio_lab.demo import (
    binance_account,
    binance_coin_m,
    binance_earn,
    binance_fills,
    binance_history,
    binance_income,
    binance_ledger,
    binance_ledger_earn,
    binance_ledger_margin,
    binance_ledger_staking,
    binance_margin_wallets,
    binance_market,
    binance_options,
    binance_options_market,
    binance_papi,
    binance_snapshots,
    binance_spot,
    binance_transfers,
    binance_usd_m,
    binance_wallets,
)
from portfolio_lab.demo import binance_errors as refuse
from portfolio_lab.demo.binance_ask import Ask, Endpoint, Need
from portfolio_lab.demo.binance_auth import SentBytes, check_key_format, check_signature, check_timing
from portfolio_lab.demo.binance_errors import BinanceRefusal
from portfolio_lab.demo.binance_switches import Switches
from portfolio_lab.demo.binance_weights import WeightLedger, WeightLimits
from portfolio_lab.demo.exchange import DemoAccount, Exchange
from portfolio_lab.demo.wire import Answer, Asked
from portfolio_lab.models.accounts import Wallet

_ROOMS = (
    binance_market,
    binance_spot,
    binance_wallets,
    binance_account,
    binance_margin_wallets,
    binance_earn,
    binance_history,
    binance_usd_m,
    binance_coin_m,
    binance_options_market,
    binance_options,
    binance_papi,
    binance_transfers,
    binance_fills,
    binance_income,
    binance_ledger,
    binance_ledger_earn,
    binance_ledger_margin,
    binance_ledger_staking,
    binance_snapshots,
)
ENDPOINTS: dict[tuple[str, str], Endpoint] = {
    (endpoint.method, endpoint.path): endpoint for room in _ROOMS for endpoint in room.ENDPOINTS
}
"""Every endpoint by (method, path)."""

LIMITS_PATH = "/_demo/limits"
SWITCHES_PATH = "/_demo/binance"

_KEY_HEADER = "X-MBX-APIKEY"
_WALLETS = {Need.USD_M: Wallet.USD_M, Need.COIN_M: Wallet.COIN_M}
_UNIFIED = frozenset({Need.MARGIN, Need.USD_M, Need.COIN_M})
"""Closed to accounts in portfolio margin."""

_NOT_FOUND = b"<html><body><h1>404 Not found</h1></body></html>"


class BinanceVenue:
    """Answers requests as Binance does.

    Tests change its limits at `LIMITS_PATH`: POST {"fapi": 10, "strikes": 1} sets limits by
    family or by field of `WeightLimits`, DELETE puts the real ones back and forgets all use
    and all bans, GET shows what is in force. `SWITCHES_PATH` does the same for `Switches`:
    POST {"padded_assets": 700} or {"unknown_wallet": "Vault", "unknown_worth": "12.5"}.
    """

    def __init__(self, exchange: Exchange, limits: WeightLimits | None = None) -> None:
        self.exchange = exchange
        self.ledger = WeightLedger(limits)
        self.switches = Switches()

    def answer(self, asked: Asked) -> Answer:
        """The answer to one request; refusals are answers too, nothing is raised."""
        if asked.path == LIMITS_PATH:
            return self._limits(asked)
        if asked.path == SWITCHES_PATH:
            return self._switch(asked)
        endpoint = ENDPOINTS.get((asked.method, asked.path))
        if endpoint is None:
            return Answer(_NOT_FOUND, 404, content_type="text/html")
        headers: dict[str, str] = {}
        try:
            self._weigh(endpoint, asked, headers)
            content = endpoint.answer(self._admit(endpoint, asked))
        except BinanceRefusal as refusal:
            return _refused(refusal, headers)
        return Answer(content, headers=headers)

    def _limits(self, asked: Asked) -> Answer:
        """Change or show the limits; a name that is no limit, or no whole number, is 400."""
        if asked.method == "DELETE":
            self.ledger = WeightLedger()
        if asked.method == "POST":
            try:
                self.ledger.limits.override(json.loads(asked.body))
            except (ValueError, TypeError, AttributeError) as mistake:
                return Answer({"error": str(mistake)}, 400)
        return Answer(self.ledger.limits.as_dict())

    def _switch(self, asked: Asked) -> Answer:
        """Change or show the switches; a name or a value that is none is 400."""
        if asked.method == "DELETE":
            self.switches = Switches()
        if asked.method == "POST":
            try:
                self.switches.override(json.loads(asked.body))
            except (ValueError, TypeError, AttributeError) as mistake:
                return Answer({"error": str(mistake)}, 400)
        return Answer(self.switches.as_dict())

    def _weigh(self, endpoint: Endpoint, asked: Asked, headers: dict[str, str]) -> None:
        """Count the request, whoever asks; the headers tell the use even when it is over."""
        charge = endpoint.charge(_sent(asked).parameters)
        payer = {"ip": asked.address, "uid": asked.headers.get(_KEY_HEADER, "")}
        try:
            self.ledger.charge(charge, **payer, now_ms=asked.wire_now)
        finally:
            headers.update(self.ledger.used(charge, **payer))

    def _admit(self, endpoint: Endpoint, asked: Asked) -> Ask:
        """Let the request through the door, or raise the refusal that Binance would give."""
        sent = _sent(asked)
        asker = None if endpoint.needs is Need.NOTHING else self._asker(endpoint, asked)
        if asker is not None:
            check_timing(sent.parameters, now_ms=asked.wire_now)
            check_signature(sent, asker.credentials.secret)
        return Ask(
            market=self.exchange.market,
            parameters=sent.parameters,
            at=asked.book_now,
            server_time=asked.wire_now,
            limits=self.ledger.limits,
            asker=asker,
            switches=self.switches,
        )

    def _asker(self, endpoint: Endpoint, asked: Asked) -> DemoAccount:
        """The account behind the key, if the key may ask this."""
        key = check_key_format(asked.headers.get(_KEY_HEADER))
        account = self.exchange.account_of_key("binance", key)
        if account is None:
            raise refuse.key_unknown()
        if account.revoked(asked.book_now):
            raise refuse.key_rejected()
        _check_opened(account, endpoint.needs)
        return account


def _check_opened(account: DemoAccount, need: Need) -> None:
    """Refuse what an account cannot be asked for.

    In portfolio margin the hosts of the inner wallets are closed, and papi is closed to all
    others. A futures wallet that was never opened is -2015 too.
    """
    if (need is Need.PORTFOLIO_MARGIN) != account.portfolio_margin and need in _UNIFIED | {Need.PORTFOLIO_MARGIN}:
        raise refuse.key_rejected()
    if need in _WALLETS and _WALLETS[need] not in account.opened:
        raise refuse.key_rejected()


def _sent(asked: Asked) -> SentBytes:
    return SentBytes(asked.query, asked.body.decode("latin-1"))


def _refused(refusal: BinanceRefusal, headers: dict[str, str]) -> Answer:
    if refusal.retry_after is not None:
        headers = headers | {"Retry-After": str(refusal.retry_after)}
    return Answer(refusal.body, refusal.status, headers)
