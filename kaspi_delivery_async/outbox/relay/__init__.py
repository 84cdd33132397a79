"""The relay: sends what is due, calls back, and follows deliveries, in any number of processes."""

from kaspi_delivery_async.outbox.relay.relay import Relay

__all__ = ["Relay"]
