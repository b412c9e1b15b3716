"""Stress traffic for fault tests: submissions whose verdicts depend on counters.

After a crash, a verdict must not be lost, given twice or computed from counters that have moved on. So most ports here
exceed a limit in the middle of the traffic. A counter that loses or repeats a message moves this turning point, and
the verdicts around it show the fault.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random

from pipeline.events import Label, PortState, Priority, Tier, Verdict
from pipeline.sample.drafts import submission, timed
from pipeline.sample.enterprises import Port
from pipeline.sample.truth import HOLD, REJECT, RELEASE, REVIEW, Sample, Truth
from pipeline.sample.wording import phone, phones

LENGTH_MS = 240_000  # all traffic lies within one 5-minute window
BULK_OVER = 50  # most messages of one content that are not yet bulk
CONTENTS_PER_PORT = 4

_PLACES = (
    "北区泵房",
    "东侧冷库",
    "锅炉间",
    "二号电梯",
    "屋顶水箱",
    "码头吊机",
    "温室大棚",
    "污水井",
    "配电室",
    "观景缆车",
    "造纸车间",
    "地下车库",
    "通信机房",
    "露天料场",
    "粮仓西门",
    "隧道风机",
    "游泳馆",
    "焊接工位",
    "药品柜",
    "鱼塘",
)
_EVENTS = (
    "巡检完成，一切正常",
    "门禁已重新授权",
    "滤芯需要更换",
    "温度回落到正常范围",
    "值班人员已交接",
    "电表读数已上传",
    "照明改为手动",
    "风速超过提示值",
    "备用电源测试通过",
    "摄像头画面恢复",
    "湿度偏高，已开除湿",
    "润滑油已补足",
    "通讯中断后恢复",
    "消毒作业已结束",
    "例行校准延期一天",
    "访客登记系统升级",
    "水位缓慢下降",
    "噪声记录已归档",
    "维保合同即将续签",
    "钥匙已归还前台",
)
CONTENTS = tuple(f"{place}{event}" for place in _PLACES for event in _EVENTS)  # 400 distinct contents


def stress_ports(count: int) -> tuple[Port, ...]:
    """`count` ports. Of ten, four exceed their volume, three are under review before send, two send freely, and one is
    suspended or trusted.
    """
    return tuple(_port(n) for n in range(count))


def _port(n: int) -> Port:
    turn = n % 10
    return Port(
        code=f"10652{n:07d}",
        name=f"河图物联{n}号站",
        enterprise=f"ent-s{n:05d}",
        trade="device_alarm",
        tier=Tier.HIGH if 4 <= turn < 7 else Tier.TRUSTED if n % 20 == 19 else Tier.ORDINARY,
        signatures=("河图物联",),
        state=PortState.SUSPENDED if n % 20 == 9 else PortState.OPEN,
        volume_5m=60 + n * 37 % 240 if turn < 4 else 0,
    )


def stress(seed: int, count: int, ports: int = 500, *, start: int) -> Iterator[Sample]:
    """`count` submissions over four minutes from `start` (epoch milliseconds) by `stress_ports(ports)`.

    Submissions are in order of time. Each port keeps to one lane and one number of recipients, and its `submitted_at`
    strictly increases. Verdicts change in the traffic if `count` is at least 400 for each port. The truth counts like
    the pipeline: it is exact if the pipeline takes the traffic within 5 minutes and in order for each port.
    """
    rng = Random(seed)  # noqa: S311 - repeatable chance is the point
    senders = stress_ports(ports)
    volume: Counter[str] = Counter()
    alike: Counter[tuple[str, str]] = Counter()
    last: dict[str, int] = {}
    now = start
    for serial in range(count):
        n = int(rng.random() * ports)
        port = senders[n]
        text = port.signed(CONTENTS[(n * 7 + int(rng.random() * CONTENTS_PER_PORT)) % len(CONTENTS)])
        recipients = phones(rng, 3) if n % 7 == 0 else [phone(rng)]
        volume[port.code] += len(recipients)
        alike[port.code, text] += len(recipients)
        truth = _TRUTHS[_verdict(port, volume[port.code], alike[port.code, text])]
        lane = Priority.BULK if n % 2 else Priority.EXPRESS
        now = max(now, start + serial * LENGTH_MS // count, last.get(port.code, 0) + 1)
        last[port.code] = now
        yield timed(submission(port.code, recipients, text, truth, lane), now, f"{start:x}-{seed:x}-{serial}")


def _verdict(port: Port, volume: int, alike: int) -> Verdict:
    """The right verdict, with counters that include this submission."""
    if port.state is not PortState.OPEN or volume > port.limit:
        return REJECT
    if port.tier is Tier.HIGH:
        return REVIEW if alike > BULK_OVER else HOLD
    return RELEASE


_TRUTHS = {verdict: Truth("stress", Label.HAM, (verdict,)) for verdict in Verdict}
