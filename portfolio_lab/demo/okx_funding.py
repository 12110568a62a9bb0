"""The funding account's past: its bills (which have codes of their own), deposits and withdrawals."""

from __future__ import annotations

from decimal import Decimal

from portfolio_lab.demo.facts import ZERO, Entry, Flow, Reason, Transfer
from portfolio_lab.demo.instruments import COINS, FIAT, STABLECOINS
from portfolio_lab.demo.market import DAY_MS
from portfolio_lab.demo.okx_wire import OkxAsk, Row, plain
from portfolio_lab.demo.story import WITHDRAWAL_FEES
from portfolio_lab.models.accounts import Wallet

MONTH_MS = 30 * DAY_MS
CHAINS = {"TRX": "TRC20", "BTC": "Bitcoin", "ETH": "ERC20"}
_RECEIPTS = ("BETH", "OKSOL")
WAITING, BROADCAST, DONE = "0", "1", "2"
_BY_BILL = "2"
_ON_CHAIN = "4"
_KINDS: dict[Reason, tuple[str, str]] = {
    Reason.DEPOSIT: ("1", "1"),
    Reason.WITHDRAWAL: ("13", "2"),
    Reason.TRANSFER: ("130", "131"),
    Reason.SUBSCRIBE: ("75", "75"),
    Reason.REDEEM: ("76", "76"),
    Reason.REWARD: ("89", "89"),
    Reason.STAKING: ("138", "137"),
    Reason.LOAN: ("217", "218"),
    Reason.CONVERT: ("272", "273"),
    Reason.DUST: ("311", "311"),
    Reason.FIAT: ("117", "116"),
    Reason.PAY: ("72", "73"),
    Reason.REBATE: ("173", "173"),
    Reason.DIVIDEND: ("229", "229"),
    Reason.PROMOTION: ("48", "49"),
    Reason.GRANT: ("48", "49"),
}
"""OKX's type of a bill of the funding account: where money came, and where it went."""
_OTHER_KIND = ("48", "49")
_WITH_MASTER, _WITH_SUB = ("23", "22"), ("21", "20")
_COLLATERAL = ("215", "212")
_EARN = frozenset({Reason.SUBSCRIBE, Reason.REDEEM, Reason.REWARD, Reason.STAKING})
_ON_CHAIN_EARN = {"locked", "staked", "earned"}
_ON_CHAIN_MOVE, _ON_CHAIN_YIELD = ("82", "80"), ("83", "83")


def funding_bills(ask: OkxAsk) -> list[Row]:
    """asset/bills: one month, paged by instant unless pagingType is 2 (by billId)."""
    return _bills(ask, ask.now - MONTH_MS)


def funding_bills_history(ask: OkxAsk) -> list[Row]:
    """asset/bills-history: the same without an end."""
    return _bills(ask, None)


def _bills(ask: OkxAsk, since: int | None) -> list[Row]:
    book = ask.view.book
    moves = {one.transfer_id: one for one in book.transfers(until=ask.now)}
    entries = book.entries(since=since, until=ask.now, wallets=(Wallet.FUNDING,))
    rows = [(one, _bill_row(one, _kind(ask, one, moves.get(one.reference)))) for one in entries]
    wanted, kind = ask.text("ccy"), ask.text("type")
    chosen = [(one, row) for one, row in rows if wanted in ("", one.asset) and kind in ("", row["type"])]
    by_bill = ask.text("pagingType") == _BY_BILL
    told = ask.told(chosen, lambda pair: pair[0].at)
    return [row for _, row in ask.page(told, lambda pair: pair[0].entry_id if by_bill else pair[0].at)]


def _bill_row(entry: Entry, kind: str) -> Row:
    return {
        "bal": plain(entry.balance),
        "balChg": plain(entry.amount),
        "billId": str(entry.entry_id),
        "ccy": entry.asset,
        "clientId": "",
        "notes": entry.note,
        "ts": str(entry.at),
        "type": kind,
    }


def _kind(ask: OkxAsk, entry: Entry, move: Transfer | None) -> str:
    """OKX's type of one bill."""
    came = entry.amount > ZERO
    kinds = _KINDS.get(entry.reason, _OTHER_KIND)
    if entry.reason is Reason.TRANSFER and move is not None and move.counterparty:
        kinds = _WITH_MASTER if ask.asker.master_uid else _WITH_SUB
    elif entry.reason is Reason.LOAN and entry.asset == _collateral(ask, entry.note):
        kinds = _COLLATERAL
    elif entry.reason in _EARN and entry.note.partition(":")[0] in _ON_CHAIN_EARN:
        kinds = _ON_CHAIN_YIELD if entry.reason is Reason.REWARD else _ON_CHAIN_MOVE
    return kinds[0] if came else kinds[1]


def _collateral(ask: OkxAsk, note: str) -> str:
    """The currency that a loan has locked: the first that moved for it."""
    entries = ask.view.book.entries(until=ask.now, wallets=(Wallet.LOANS,))
    return next((one.asset for one in entries if one.note == note), "")


def deposits(ask: OkxAsk) -> list[Row]:
    """asset/deposit-history, newest first, paged by time."""
    return [
        {
            "actualDepBlkConfirm": "2",
            "amt": plain(flow.amount),
            "areaCodeFrom": "",
            "ccy": flow.asset,
            "chain": _chain(flow),
            "depId": str(flow.flow_id),
            "from": "",
            "fromWdId": "",
            "state": _state(ask, flow),
            "to": flow.address,
            "ts": str(flow.at),
            "txId": flow.txid,
        }
        for flow in _flows(ask, "deposit", "depId")
    ]


def withdrawals(ask: OkxAsk) -> list[Row]:
    """asset/withdrawal-history: `fee` was taken on top of `amt`; no hash until it is broadcast."""
    return [_withdrawal_row(flow, _state(ask, flow)) for flow in _flows(ask, "withdrawal", "wdId")]


def _withdrawal_row(flow: Flow, state: str) -> Row:
    return {
        "addrEx": "",
        "amt": plain(flow.amount),
        "areaCodeFrom": "",
        "areaCodeTo": "",
        "ccy": flow.asset,
        "chain": _chain(flow),
        "clientId": "",
        "fee": plain(flow.fee),
        "feeCcy": flow.asset,
        "from": "",
        "memo": "",
        "nonTradableAsset": False,
        "note": "",
        "state": state,
        "tag": "",
        "to": flow.address,
        "toAddrType": "1",
        "ts": str(flow.at),
        "txId": "" if state == WAITING else flow.txid,
        "wdId": str(flow.flow_id),
    }


def _state(ask: OkxAsk, flow: Flow) -> str:
    """Done, or under way: the first half of the time a withdrawal waits, then it is on the chain."""
    if ask.now >= flow.done_at:
        return DONE
    return WAITING if ask.now < (flow.at + flow.completed_at) // 2 else BROADCAST


def _flows(ask: OkxAsk, kind: str, id_name: str) -> list[Flow]:
    wanted, state, txid, name = (ask.text(field) for field in ("ccy", "state", "txId", id_name))
    chosen = [
        flow
        for flow in ask.view.book.flows(kind, until=ask.now)
        if wanted in ("", flow.asset)
        and state in ("", _state(ask, flow))
        and txid in ("", flow.txid)
        and name in ("", str(flow.flow_id))
        and ask.text("type") in ("", _ON_CHAIN)
    ]
    return ask.page(ask.told(chosen, lambda flow: flow.at), lambda flow: flow.at)


def _chain(flow: Flow) -> str:
    return f"{flow.asset}-{CHAINS.get(flow.network, flow.network)}"


def currencies(ask: OkxAsk) -> list[Row]:
    """asset/currencies: one chain for each asset."""
    wanted = ask.listed("ccy")
    return [
        _currency_row(asset) for asset in (*COINS, *STABLECOINS, *FIAT, *_RECEIPTS) if wanted is None or asset in wanted
    ]


def _currency_row(asset: str) -> Row:
    fee = plain(WITHDRAWAL_FEES.get(asset, Decimal("0.01")))
    chain = {"BTC": "Bitcoin", "USDT": "TRC20"}.get(asset, "ERC20")
    return {
        "burningFeeRate": "",
        "canDep": True,
        "canInternal": True,
        "canWd": True,
        "ccy": asset,
        "chain": f"{asset}-{chain}",
        "ctAddr": "",
        "depEstOpenTime": "",
        "depQuotaFixed": "",
        "depQuoteDailyLayer2": "",
        "fee": fee,
        "logoLink": "",
        "mainNet": True,
        "maxFee": fee,
        "maxFeeForCtAddr": "",
        "maxWd": "1000000",
        "minDep": "0.0001",
        "minDepArrivalConfirm": "1",
        "minFee": fee,
        "minFeeForCtAddr": "",
        "minInternal": "0.0001",
        "minWd": "0.001",
        "minWdUnlockConfirm": "2",
        "name": asset,
        "needTag": False,
        "usedDepQuotaFixed": "",
        "usedWdQuota": "0",
        "wdEstOpenTime": "",
        "wdQuota": "10000000",
        "wdTickSz": "8",
    }
