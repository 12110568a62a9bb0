"""Simple Earn and staking of a Binance account: what went in and out, what they paid, what was wrapped."""

from __future__ import annotations

from collections.abc import Callable

from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.binance import history_endpoints as at
from portfolio_lab.exchanges.binance import ledger_shapes as shapes
from portfolio_lab.exchanges.binance.ledger import page_numbering, two_legs
from portfolio_lab.exchanges.client import Endpoint, VenueClient
from portfolio_lab.exchanges.sources import Ask, Raw, Window, by_number, lanes
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.activity import ActivityRow, Income, Transfer

PAGE = 100
DONE = frozenset({"SUCCESS", "PAID"})


def _paged(window: Window, number: int) -> dict[str, object]:
    return {"startTime": window.start, "endTime": window.last, "current": number, "size": PAGE}


# ---------------------------------------------------------------- in and out


def moves(client: VenueClient) -> Ask:
    """Return the source of subscriptions and redemptions: transfers between the cash wallets and Simple Earn."""

    def lane(endpoint: Endpoint, made: Callable[[shapes.EarnMove], ActivityRow]) -> Ask:
        async def fetch(window: Window, number: int) -> Raw[shapes.EarnMove]:
            answer, _ = await client.ask(endpoint, shapes.EarnMoves, _paged(window, number))
            return Raw(answer.rows, tuple(made(row) for row in answer.rows if row.status in DONE))

        return by_number(fetch, size=PAGE)

    return lanes(
        [
            lane(at.FLEXIBLE_SUBSCRIPTIONS, subscription),
            lane(at.FLEXIBLE_REDEMPTIONS, redemption),
            lane(at.LOCKED_SUBSCRIPTIONS, subscription),
            lane(at.LOCKED_REDEMPTIONS, redemption),
        ]
    )


def subscription(row: shapes.EarnMove) -> Transfer:
    """Return the move of a subscription; one paid from both cash wallets counts as paid from spot."""
    is_funding = row.sourceAccount.startswith("FUND")
    return _move(row, f"subscribe-{row.purchaseId}", Wallet.FUNDING if is_funding else Wallet.SPOT, Wallet.EARN)


def redemption(row: shapes.EarnMove) -> Transfer:
    """Return the move of a redemption."""
    is_funding = row.destAccount.startswith("FUND")
    return _move(row, f"redeem-{row.redeemId}", Wallet.EARN, Wallet.FUNDING if is_funding else Wallet.SPOT)


def _move(row: shapes.EarnMove, name: str, source: Wallet, target: Wallet) -> Transfer:
    asset = payloads.asset_code(row.asset, "asset")
    return Transfer(
        at=payloads.instant(row.time, f"[{asset}].time"),
        transfer_id=f"{name}-{asset}"[:200],
        asset=asset,
        quantity=payloads.not_negative(row.amount, f"[{asset}].amount"),
        source=source,
        target=target,
    )


# ---------------------------------------------------------------- rewards


def rewards(client: VenueClient) -> Ask:
    """Return the source of Simple Earn's rewards, flexible and locked.

    Real-time rewards stay in the product; bonuses, and the rewards of locked products, are paid into spot
    (unverified). The distributions tell those as well: there they are left out. What wraps a staked coin is
    paid nothing: it gains in price.
    """
    return lanes([_flexible(client), _locked(client)])


def _flexible(client: VenueClient) -> Ask:
    numbering = page_numbering()

    async def fetch(window: Window, number: int) -> Raw[shapes.FlexibleReward]:
        asked = {"type": "ALL", **_paged(window, number)}
        answer, _ = await client.ask(at.FLEXIBLE_REWARDS, shapes.FlexibleRewards, asked)
        names = numbering(number, [f"{row.type}-{row.projectId}-{row.asset}-{row.time}" for row in answer.rows])
        return Raw(answer.rows, tuple(map(flexible_reward, answer.rows, names)))

    return by_number(fetch, size=PAGE)


def flexible_reward(row: shapes.FlexibleReward, name: str) -> Income:
    """Return our row of one reward of a flexible product."""
    wallet = Wallet.EARN if row.type.upper() == "REALTIME" else Wallet.SPOT
    return _reward(row.asset, row.rewards, row.time, f"flexible-{name}", row.type, wallet=wallet)


def _locked(client: VenueClient) -> Ask:
    numbering = page_numbering()

    async def fetch(window: Window, number: int) -> Raw[shapes.LockedReward]:
        answer, _ = await client.ask(at.LOCKED_REWARDS, shapes.LockedRewards, _paged(window, number))
        names = numbering(number, [f"{row.positionId}-{row.asset}-{row.time}" for row in answer.rows])
        return Raw(answer.rows, tuple(map(locked_reward, answer.rows, names)))

    return by_number(fetch, size=PAGE)


def locked_reward(row: shapes.LockedReward, name: str) -> Income:
    """Return our row of one reward of a locked product."""
    return _reward(row.asset, row.amount, row.time, f"locked-{name}", row.type, wallet=Wallet.SPOT)


def _reward(coin: str, text: str, moment: int, name: str, word: str, *, wallet: Wallet) -> Income:
    asset = payloads.asset_code(coin, "asset")
    return Income(
        at=payloads.instant(moment, f"[{asset}].time"),
        income_id=name[:200],
        kind="earn_reward",
        venue_kind=word[:40],
        wallet=wallet,
        asset=asset,
        quantity=payloads.amount(text, f"[{asset}].rewards"),
    )


# ---------------------------------------------------------------- staking


def wraps(client: VenueClient) -> Ask:
    """Return the source of coins that became staking receipts (ETH to WBETH, SOL to BNSOL), and back: two legs each."""

    def lane(endpoint: Endpoint) -> Ask:
        numbering = page_numbering()

        async def fetch(window: Window, number: int) -> Raw[shapes.Wrap]:
            answer, _ = await client.ask(endpoint, shapes.Wraps, _paged(window, number))
            done = [row for row in answer.rows if row.status in DONE]
            names = numbering(number, [f"staking-{row.time}-{row.asset}-{row.amount}" for row in done])
            return Raw(
                answer.rows, tuple(leg for row, name in zip(done, names, strict=True) for leg in wrap_legs(row, name))
            )

        return by_number(fetch, size=PAGE)

    return lanes([lane(one) for one in (at.ETH_STAKED, at.ETH_UNSTAKED, at.SOL_STAKED, at.SOL_UNSTAKED)])


def wrap_legs(row: shapes.Wrap, name: str) -> list[Income]:
    """Return the two legs of one exchange of a coin for its staking receipt, or back."""
    given = (row.asset, payloads.not_negative(row.amount, f"[{name}].amount"))
    taken = (row.distributeAsset, payloads.not_negative(row.distributeAmount, f"[{name}].distributeAmount"))
    return two_legs("convert", name[:150], row.time, given=given, taken=taken, wallet=Wallet.SPOT)
