from __future__ import annotations

import subprocess
import sys

import pytest

from cab_core.plugins.inventory import Origin, Status, take_inventory
from cab_core.plugins.kinds import Kind


@pytest.mark.parametrize("kind", list(Kind))
def test_a_package_of_each_kind_is_found_by_its_metadata(site, kind):
    dist = site.install(kind, "my_idea", version="2.3")
    record = site.inventory()[f"{kind.value}:my_idea"]
    assert (record.dist, record.version, record.status) == (dist, "2.3", Status.AVAILABLE)
    assert record.origin is Origin.THIRD_PARTY
    assert record.requires == "<0.2,>=0.1"
    assert record.entry_point.dist.metadata["Name"] == dist


def test_nothing_is_imported(site):
    site.install(Kind.STRATEGY, "loud", "raise SystemExit('imported')")
    assert site.inventory()["strategy:loud"].status is Status.AVAILABLE


@pytest.mark.parametrize("name", ["Bad", "a", "1st", "with-dash", "x" * 41])
def test_a_bad_name_is_invalid(site, name):
    site.install(Kind.STRATEGY, name)
    record = site.inventory()[f"strategy:{name}"]
    assert record.status is Status.INVALID
    assert repr(name) in record.reason


@pytest.mark.catalogue(98)
def test_both_sides_of_a_duplicate_are_refused_and_named(site):
    site.install(Kind.STRATEGY, "ema_cross", dist="acme-one")
    site.install(Kind.STRATEGY, "good")
    site.install(Kind.STRATEGY, "ema_cross", dist="zeta-two", version="4.5")
    both = [record for record in site.records() if record.name == "ema_cross"]
    assert [record.status for record in both] == [Status.CONFLICT] * 2
    assert all("acme-one 1.0" in record.reason and "zeta-two 4.5" in record.reason for record in both)
    assert site.inventory()["strategy:good"].status is Status.AVAILABLE


def test_the_same_name_in_two_kinds_is_no_duplicate(site):
    site.install(Kind.STRATEGY, "twin")
    site.install(Kind.RISK, "twin")
    assert [record.status for record in site.records()] == [Status.AVAILABLE] * 2


def test_the_same_package_twice_on_the_path_is_no_duplicate(site, tmp_path):
    site.install(Kind.STRATEGY, "mine", dist="acme-mine", version="2.0")
    stale = type(site)(tmp_path / "stale")
    stale.install(Kind.STRATEGY, "mine", dist="ACME_mine", version="1.0")
    records = take_inventory([str(site.folder), str(stale.folder)])
    assert [(record.version, record.status) for record in records] == [("2.0", Status.AVAILABLE)]


@pytest.mark.catalogue(100)
@pytest.mark.parametrize("bounds", [">=0.2,<0.3", "<0.1", ">=99"])
def test_bounds_that_are_not_met_make_a_package_incompatible(site, bounds):
    site.install(Kind.RISK, "old", requires=[f"cab_core {bounds}"])
    record = site.inventory()["risk:old"]
    assert record.status is Status.INCOMPATIBLE
    assert "acme-risk-old 1.0" in record.reason
    assert "0.1.0" in record.reason


def test_bounds_of_an_extra_do_not_count(site):
    site.install(Kind.RISK, "dev", requires=["cab-core>=0.1", "cab-core>=9; extra == 'next'"])
    assert site.inventory()["risk:dev"].status is Status.AVAILABLE


def test_an_unreadable_requirement_is_invalid(site):
    site.install(Kind.RISK, "odd", requires=["cab-core >= what"])
    assert site.inventory()["risk:odd"].status is Status.INVALID


def test_an_unreadable_package_hides_no_other(site):
    site.metadata("acme-garbage", "1.0", [], "[cab.risk_rules]\nthis is not an entry point\n")
    site.install(Kind.RISK, "good")
    statuses = {record.dist: record.status for record in site.records()}
    assert statuses == {"acme-garbage": Status.INVALID, "acme-risk-good": Status.AVAILABLE}


def test_the_bundle_names_its_own(site):
    site.metadata("cab-plugins", "0.1.0", ["cab-core>=0.1", "acme-risk-ours==1.0"], "")
    site.install(Kind.RISK, "ours")
    site.install(Kind.RISK, "theirs")
    origins = {record.name: record.origin for record in site.records()}
    assert origins == {"ours": Origin.BUNDLED, "theirs": Origin.THIRD_PARTY}


def test_records_come_sorted_by_kind_and_name(site):
    for kind, name in ((Kind.NOTIFIER, "aa"), (Kind.STRATEGY, "zz"), (Kind.STRATEGY, "bb")):
        site.install(kind, name)
    assert list(site.inventory()) == ["strategy:bb", "strategy:zz", "notifier:aa"]


def test_taking_the_inventory_is_cheap_and_imports_no_plugin():
    script = (
        "import sys, time; from cab_core.plugins.inventory import take_inventory; records = take_inventory();"
        "targets = {r.target.split(':')[0].split('.')[0] for r in records};"
        "assert records and not targets & set(sys.modules), targets & set(sys.modules);"
        "print(time.process_time())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.5
