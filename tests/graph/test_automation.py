"""`mainstem.automation`: what has not changed is not run."""

import warnings
from collections.abc import Iterator
from typing import Any

import dagster as dg

from mainstem.automation import when_data_changed


class Shop:
    """A source whose data version is told, a table that is made of it, and one that is made of that."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance, self.version, self.code = instance, "1", "1"
        self._cursor: Any = None

    def definitions(self) -> dg.Definitions:
        def observe() -> Iterator[Any]:
            yield dg.ObserveResult(data_version=dg.DataVersion(self.version))

        with warnings.catch_warnings():
            # It is public, and in beta.
            warnings.simplefilter("ignore", dg.BetaWarning)

            source: Any = dg.multi_observable_source_asset(specs=[dg.AssetSpec("source")])(observe)

        @dg.asset(deps=["source"], code_version=self.code, automation_condition=when_data_changed())
        def table() -> None: ...

        @dg.asset(deps=[table], code_version="1", automation_condition=when_data_changed())
        def report() -> None: ...

        return dg.Definitions(assets=[source, table, report])

    def observe(self) -> None:
        seen = dg.AssetObservation("source", tags={"dagster/data_version": self.version})
        self.instance.report_runless_asset_event(seen)

    def tick(self) -> set[str]:
        """What is due now."""
        result = dg.evaluate_automation_conditions(
            defs=self.definitions(),
            instance=self.instance,
            cursor=self._cursor,
            asset_selection=dg.AssetSelection.assets("table", "report"),
        )
        self._cursor = result.cursor
        return {name for name in ("table", "report") if result.get_num_requested(dg.AssetKey(name))}

    def make(self, *names: str) -> None:
        assets = [each for each in self.definitions().assets or () if isinstance(each, dg.AssetsDefinition)]
        assert dg.materialize(assets, instance=self.instance, selection=list(names)).success


def test_what_was_never_made_is_due_and_what_has_not_changed_is_not() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        shop = Shop(instance)
        shop.observe()
        assert shop.tick() == {"table", "report"}
        shop.make("table", "report")
        assert shop.tick() == set()
        shop.observe()
        assert shop.tick() == set()


def test_a_change_of_the_source_travels_down_table_by_table() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        shop = Shop(instance)
        shop.observe()
        shop.tick()
        shop.make("table", "report")
        shop.tick()
        shop.version = "2"
        shop.observe()
        assert shop.tick() == {"table"}
        shop.make("table")
        assert shop.tick() == {"report"}
        shop.make("report")
        assert shop.tick() == set()


def test_a_table_that_is_made_anew_of_the_same_data_leaves_what_is_downstream_alone() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        shop = Shop(instance)
        shop.observe()
        shop.tick()
        shop.make("table", "report")
        shop.tick()
        shop.make("table")
        assert shop.tick() == set()


def test_another_code_is_a_reason() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        shop = Shop(instance)
        shop.observe()
        shop.tick()
        shop.make("table", "report")
        shop.tick()
        shop.code = "2"
        assert shop.tick() == {"table"}
