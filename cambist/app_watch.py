"""What each process shows to those who watch over the exchange: docs/operating.md lists the same metrics."""

import time
from typing import TYPE_CHECKING

from cambist.log import snapshots
from cambist.match.disk import free_bytes
from cambist.ops.watched import Watched
from cambist.settings import Settings

if TYPE_CHECKING:  # or each process would load what the others need
    from cambist.data.server import DataServer
    from cambist.feed.server import FeedServer
    from cambist.gateway.app import Gateway
    from cambist.intake.listener import IntakeListener
    from cambist.intake.port import IntakePort
    from cambist.keep.snapshotter import Snapshotter
    from cambist.match.server import MatchServer
    from cambist.match.standby import Standby
    from cambist.match.stats import MatchStats
    from cambist.wallets.service import NetworkService

MICROSECONDS = 1_000_000
GWEI = 10**9


def watch_match(
    watched: Watched, server: "MatchServer", intake: "IntakeListener", settings: Settings
) -> None:
    stats, metrics = server.stats, watched.metrics
    watched.checks.append(lambda: None if server.problem is None else str(server.problem))
    watched.facts["position"] = lambda: stats.sequence
    metrics.gauge("cambist_match_queue", "Commands and questions that wait.", lambda: server.queue_length)
    metrics.gauge("cambist_intake_senders", "Other processes that send.", lambda: intake.senders)
    metrics.counter("cambist_match_shed", "Turned away with -1008, not executed.", lambda: stats.shed)
    metrics.counter("cambist_match_commands", "Commands made durable.", lambda: stats.commands)
    metrics.histogram("cambist_match_batch_commands", "Commands per batch.", stats.batch_commands)
    metrics.histogram(
        "cambist_log_sync_seconds", "Writing and syncing a batch.", stats.sync_us, per_unit=MICROSECONDS
    )
    metrics.gauge("cambist_sequence", "The engine's newest command.", lambda: stats.sequence)
    metrics.gauge(
        "cambist_journal_lag_commands",
        "Commands whose events are not in the event journal yet.",
        lambda: max(0, stats.sequence - stats.journal_sequence),
    )
    metrics.gauge("cambist_disk_free_bytes", "Room for the log.", lambda: free_bytes(settings.log_directory))
    metrics.gauge(
        "cambist_snapshot_age_seconds",
        "Since the newest snapshot was made; 0 while nothing has happened since.",
        lambda: _snapshot_age_s(settings, stats.sequence),
    )


def watch_standby(watched: Watched, standby: "Standby") -> None:
    watched.facts["position"] = lambda: standby.sequence
    watched.metrics.gauge(
        "cambist_standby_sequence",
        "How far it has followed, or where it began to lead.",
        lambda: standby.sequence,
    )


def watch_gateway(watched: Watched, app: "Gateway", stats: "MatchStats | None" = None) -> None:
    """`stats`: those of a match server in the same process, against which lags are told."""
    counts, feed, metrics = app.api.counts, app.sockets.feed, watched.metrics
    metrics.counters(
        "cambist_requests",
        "API requests answered, WebSocket API included.",
        ("method", "path", "status"),
        lambda: counts.by_class().items(),
    )
    metrics.counters(
        "cambist_limited", "Requests refused for a limit.", ("status",), lambda: counts.limited().items()
    )
    metrics.histogram(
        "cambist_order_seconds",
        "From reading one order or cancel to its answer.",
        counts.orders_us,
        per_unit=MICROSECONDS,
    )
    metrics.gauge("cambist_websockets", "Open WebSockets.", lambda: app.sockets.door.count)
    metrics.counter("cambist_websockets_refused", "Too many were opened.", lambda: app.sockets.door.refused)
    metrics.counter("cambist_slow_readers", "WebSockets cut off unread.", lambda: app.sockets.slow_readers)
    metrics.gauge("cambist_feed_connected", "1 while market data comes.", lambda: feed.is_connected)
    if stats is not None:
        metrics.gauge(
            "cambist_views_lag_commands",
            "Commands that history does not show yet.",
            lambda: max(0, stats.sequence - feed.position),
        )
        metrics.gauge(
            "cambist_feed_lag_commands",
            "Commands that streams have not told yet.",
            lambda: max(0, stats.sequence - feed.published),
        )


def watch_intake(watched: Watched, port: "IntakePort") -> None:
    """Of a gateway apart. Without a match server it is still well: it waits for the next one."""
    metrics = watched.metrics
    metrics.gauge("cambist_intake_connected", "1 while a match server answers.", lambda: port.is_open)
    metrics.gauge("cambist_intake_waiting", "Commands and questions without answer.", lambda: port.waiting)


def watch_wallets(watched: Watched, service: "NetworkService") -> None:
    """What is wrong with a network is not wrong with the process, but a person has to look all the same."""
    metrics = watched.metrics
    watched.checks.append(lambda: "; ".join(service.health().problems) or None)
    metrics.gauge(
        "cambist_wallets_height", "The newest block that was read.", lambda: service.health().height
    )
    metrics.gauge(
        "cambist_wallets_behind_blocks",
        "Blocks that are not read yet.",
        lambda: service.health().behind,
    )
    metrics.gauge(
        "cambist_wallets_reorg_blocks",
        "Blocks that the newest reorganization took back, since the start.",
        lambda: service.health().given_up,
    )
    metrics.gauge(
        "cambist_wallets_gas_gwei",
        "Coins for fees at the hot address.",
        lambda: service.health().gas_units // GWEI,
    )
    metrics.gauge(
        "cambist_wallets_problems",
        "Alarms: halted assets, nodes that contradict each other, a chain that stands still.",
        lambda: len(service.health().problems),
    )


def watch_data(watched: Watched, server: "DataServer", feed: "FeedServer") -> None:
    watched.facts["position"] = lambda: server.position
    watched.metrics.gauge("cambist_views_sequence", "What the SQL views hold.", lambda: server.position)
    watched.metrics.gauge("cambist_feed_gateways", "Gateways that listen.", lambda: len(feed.connections))


def watch_snapshotter(watched: Watched, snapshotter: "Snapshotter") -> None:
    watched.facts["position"] = lambda: snapshotter.position
    watched.facts["newest"] = lambda: snapshotter.sequence
    watched.metrics.gauge(
        "cambist_snapshot_sequence", "What the newest snapshot holds.", lambda: snapshotter.sequence
    )
    watched.metrics.gauge(
        "cambist_snapshotter_sequence", "How far it has followed the log.", lambda: snapshotter.position
    )


def _snapshot_age_s(settings: Settings, sequence: int) -> float:
    """Since the log's directory was made, while there is none."""
    directory = settings.snapshots_directory
    found = snapshots.sequences(directory)
    if found and found[0] >= sequence:  # an idle exchange needs no newer one
        return 0.0
    newest = snapshots.path_of(directory, found[0]) if found else settings.log_directory
    return time.time() - newest.stat().st_mtime
