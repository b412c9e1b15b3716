"""The config topic: one epoch a publication, whole or not at all, whoever else is publishing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, time

import msgspec
import pytest
from fault_harness import settings_for

from pipeline import metrics, topics
from pipeline.configuration import Config, directory_entries
from pipeline.errors import AntispamError
from pipeline.events import ConfigChange, encode
from pipeline.settings import Settings
from pipeline.stream import config_topic
from pipeline.stream import replay as replay_module
from pipeline.stream.admin import ensure_topics
from pipeline.stream.clients import reader, writer
from pipeline.stream.config_topic import INLINE_BYTES, ConfigFollower
from pipeline.stream.embedded import EmbeddedBroker
from pipeline.stream.replay import replay

LISTS = "list,entity,value,reason,expires\n"


def publish(settings: Settings, *entries: tuple[str, str, str], replacing: tuple[str, ...] = ()) -> int:
    return config_topic.publish(settings, entries, int(time() * 1000), replacing)


def port(code: str) -> tuple[str, str, str]:
    return "port", code, f'{{"code": "{code}"}}'


def in_force(settings: Settings) -> Config:
    follower = ConfigFollower(settings, "test")
    try:
        return follower.catch_up()
    finally:
        follower.close()


def codes(config: Config) -> set[str]:
    return set(config.ports.by_code) if config.ports else set()


def changes(settings: Settings) -> list[ConfigChange]:
    found: list[ConfigChange] = []
    consumer = reader(settings, "test")
    replay(consumer, [(topics.CONFIG.name, 0)], lambda m: found.append(_decoded(m.value() or b"")), deadline=60)
    consumer.close()
    return found


def _decoded(value: bytes) -> ConfigChange:
    try:
        return msgspec.json.decode(value, type=ConfigChange)
    except msgspec.MsgspecError:
        return ConfigChange(epoch=0, kind="undecodable", name="")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few records on an idle broker need no long silence to be believed complete."""
    monkeypatch.setattr(replay_module, "QUIET", 0.1)


def deployment(bootstrap: str, folder: Path) -> Settings:
    """A deployment without ports and lists; other tests' epochs may stand on the topic already."""
    made = settings_for(bootstrap, folder)
    ensure_topics(bootstrap, made)
    publish(made, *directory_entries(None), replacing=("port", "list"))
    return made


@pytest.fixture(scope="module")
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An embedded broker of this file's: it leaves records behind that every follower would complain of."""
    with EmbeddedBroker(tmp_path_factory.mktemp("embedded")) as broker:
        yield broker.bootstrap


@pytest.fixture
def settings(own_broker: str, tmp_path: Path) -> Settings:
    """One on the embedded broker, for what no broker changes."""
    return deployment(own_broker, tmp_path)


@pytest.fixture
def on_both(broker: str, tmp_path: Path) -> Settings:
    """One on each broker."""
    return deployment(broker, tmp_path)


@pytest.fixture
def on_kafka(kafka_broker: str, tmp_path: Path) -> Settings:
    """One on Apache Kafka, whose transactions fence."""
    return deployment(kafka_broker, tmp_path)


def test_a_publication_is_one_epoch_and_the_same_again_is_none(on_both: Settings) -> None:
    before = in_force(on_both).epoch
    first = publish(on_both, port("10690001"), port("10690002"))
    assert first == before + 1
    assert publish(on_both, port("10690001"), port("10690002")) == first
    config = in_force(on_both)
    assert (config.epoch, codes(config)) == (first, {"10690001", "10690002"})
    written = [c for c in changes(on_both) if c.epoch == first]
    assert [(c.name, c.more) for c in written] == [("10690001", True), ("10690002", False)]


def test_only_what_differs_is_written(settings: Settings) -> None:
    publish(settings, port("10690001"), port("10690002"))
    epoch = publish(settings, port("10690001"), ("port", "10690002", '{"code": "10690002", "name": "x"}'))
    assert [c.name for c in changes(settings) if c.epoch == epoch] == ["10690002"]


def test_entries_of_replaced_kinds_that_are_not_named_are_removed(settings: Settings) -> None:
    publish(settings, port("10690001"), port("10690002"), ("list", "ours", LISTS + "black,sender,139,x,\n"))
    publish(settings, port("10690002"), replacing=("port",))
    config = in_force(settings)
    assert (codes(config), set(config.lists.black), config.policy is not None) == ({"10690002"}, {"139"}, True)
    epoch = publish(settings, replacing=("port", "list"))
    config = in_force(settings)
    assert (config.ports, dict(config.lists.black)) == (None, {})
    assert publish(settings, replacing=("port", "list")) == epoch  # removed already


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (("policy", "policy.yaml", "rules: 5\n"), "policy/policy.yaml: policy.yaml:1:8: a list expected"),
        (("port", "10690003", "{}"), "port/10690003: port entry: "),
        (("list", "ours", "x"), "list/ours: ours:1: header must be"),
        (("colour", "red", "x"), "colour/red: unknown kind of configuration"),
    ],
)
def test_one_refused_value_publishes_nothing(settings: Settings, bad: tuple[str, str, str], message: str) -> None:
    before = len(changes(settings))
    with pytest.raises(AntispamError) as caught:
        publish(settings, port("10690001"), bad)
    assert str(caught.value).startswith(message)
    assert len(changes(settings)) == before
    assert codes(in_force(settings)) == set()


def test_a_large_value_travels_as_a_file_named_by_its_hash(settings: Settings, tmp_path: Path) -> None:
    large = LISTS + "".join(f"black,sender,139{n:08d},群发广告,\n" for n in range(INLINE_BYTES // 30))
    assert len(large.encode()) > INLINE_BYTES
    epoch = publish(settings, ("list", "large", large))
    [change] = [c for c in changes(settings) if c.epoch == epoch]
    assert change.value is None
    assert change.file is not None
    assert (settings.blob_dir / change.file).read_text(encoding="utf-8") == large
    assert not list(settings.blob_dir.glob("*.part"))
    assert len(in_force(settings).lists.black) == INLINE_BYTES // 30
    assert publish(settings, ("list", "large", large)) == epoch

    # A worker that lacks the file refuses the entry, says so, and keeps the epoch of the others.
    elsewhere = settings.model_copy(update={"data_dir": tmp_path / "elsewhere"})
    faults = _faults()
    config = in_force(elsewhere)
    assert (config.epoch, len(config.lists.black), _faults()) == (epoch, 0, faults + 1)


def _faults() -> float:
    return float(metrics.CONFIG_FAULTS._value.get())


def test_a_follower_applies_a_publication_when_its_last_change_has_come(settings: Settings) -> None:
    follower = ConfigFollower(settings, "test")
    epoch = follower.catch_up().epoch
    assert codes(follower.poll()) == set()

    def send(value: bytes) -> None:
        producer = writer(settings)
        producer.produce(topics.CONFIG.name, value, key="port/10690001", partition=0)
        assert producer.flush(30) == 0

    def poll_until(holds: object) -> None:
        assert callable(holds)
        deadline = monotonic() + 30
        while not holds(follower.poll()):
            assert monotonic() < deadline

    name, value = port("10690001")[1:]
    send(encode(ConfigChange(epoch=epoch + 1, kind="port", name=name, value=value, more=True)))
    faults = _faults()
    send(b"not a change")  # when this has been read, so has what stands before it
    poll_until(lambda _: _faults() == faults + 1)
    assert follower.config.epoch == epoch

    name, value = port("10690002")[1:]
    send(encode(ConfigChange(epoch=epoch + 1, kind="port", name=name, value=value)))
    poll_until(lambda config: config.epoch == epoch + 1)
    assert codes(follower.config) == {"10690001", "10690002"}
    follower.close()


def test_what_cannot_be_decoded_stops_no_publisher(settings: Settings) -> None:
    producer = writer(settings)
    producer.produce(topics.CONFIG.name, b"not a change", key="port/10690001", partition=0)
    assert producer.flush(30) == 0
    publish(settings, port("10690001"))
    assert codes(in_force(settings)) == {"10690001"}


def test_followers_see_the_epochs_in_order_and_end_alike(on_both: Settings) -> None:
    follower = ConfigFollower(on_both, "test")
    seen = [follower.catch_up().epoch]
    last = 0
    for n in range(3):
        last = publish(on_both, port(f"1069000{n}"))
    deadline = monotonic() + 30
    while seen[-1] < last:
        assert monotonic() < deadline
        seen.append(follower.poll().epoch)
    assert seen == sorted(seen)
    assert codes(follower.config) == codes(in_force(on_both)) == {"10690000", "10690001", "10690002"}
    follower.close()


def _overtaken(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> tuple[int, AntispamError | None]:
    """One publisher reads the topic; another publishes; the first goes on. The second's epoch, the first's error."""
    honest = config_topic._current
    epochs: list[int] = []

    def overtaken(asked: Settings) -> object:
        found = honest(asked)
        if not epochs:
            epochs.append(0)
            epochs.append(publish(settings, port("10690002")))
        return found

    with monkeypatch.context() as patched:
        patched.setattr(config_topic, "_current", overtaken)
        try:
            publish(settings, port("10690001"))
        except AntispamError as error:
            return epochs[1], error
    return epochs[1], None


def test_of_two_publishers_at_once_the_later_wins_and_the_other_is_told(
    on_kafka: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    epoch, error = _overtaken(on_kafka, monkeypatch)
    assert str(error).startswith("configuration not published: ")
    config = in_force(on_kafka)
    assert (config.epoch, codes(config)) == (epoch, {"10690002"})
    assert publish(on_kafka, port("10690001")) == epoch + 1  # and may try again


def test_many_publishers_never_share_an_epoch(on_kafka: Settings) -> None:
    published: dict[str, int] = {}
    refused: list[str] = []

    def one(code: str) -> None:
        try:
            published[code] = publish(on_kafka, port(code))
        except AntispamError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=one, args=(f"1069000{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert len(published) + len(refused) == len(threads)
    assert all(error.startswith("configuration not published: ") for error in refused)
    assert len(set(published.values())) == len(published)
    assert codes(in_force(on_kafka)) == set(published)
    by_epoch = {(c.epoch, c.name) for c in changes(on_kafka) if c.name in published and c.value}
    assert {(epoch, code) for code, epoch in published.items()} <= by_epoch


def test_without_the_topic_nothing_is_published(fresh_embedded: EmbeddedBroker, tmp_path: Path) -> None:
    settings = settings_for(fresh_embedded.bootstrap, tmp_path)
    with pytest.raises(AntispamError, match="configuration not published: "):
        publish(settings, port("10690001"))
