"""Ways to unsubscribe that a text names: the words a recipient may answer (回T退订, 拒收请回复R, Reply STOP to end).

They are read from the normal form, so disguised spellings (回Ｔ退 订) count. A mention without a word to answer does
not count: 退订成功, 无需退订, "non-stop", "text CANCEL to cancel your appointment".

Source of the wordings: 740 lawful texts, and the validation texts of the classifier.
"""

from __future__ import annotations

import re

from pipeline.text.normal import Normals

LONGEST = 8  # characters of a word to answer

_GAP = r"[^\w\0]{0,3}"  # blanks, quotes, brackets, marks
_NEAR = r"[^\w\0,;!?。]{0,3}"  # the same without a new clause: 了解回Y,退订回T
_WORD = rf"(?P<{{}}>(?![0-9]{{{{9}}}})[a-z0-9]{{{{1,{LONGEST}}}}})(?![a-z0-9])"
_LEAVE = "(?:退订|拒收|取消订阅|取消接收)"
_ANSWER = "(?:回复?|回覆|发送?|编辑|答复)(?:短信)?"
_chinese = re.compile(
    rf"{_ANSWER}{_NEAR}{_WORD.format('before')}{_NEAR}(?:[至到]{_NEAR}[0-9]+)?"
    rf"[即可能]{{0,2}}{_NEAR}{_LEAVE}"
    rf"|{_LEAVE}\w{{0,8}}?{_GAP}{_ANSWER}{_NEAR}{_WORD.format('after')}"
    rf"|{_LEAVE}{_NEAR}(?P<bare>td|[tnr])(?![a-z0-9])"
    rf"|{_ANSWER}[^\w\s\0](?P<quoted>退订|拒收)[^\w\s\0]"
).finditer
_CHINESE_HINTS = ("退订", "拒收", "取消订阅", "取消接收")
_SEND = r"\b(?:reply|text|txt|send|sms|answer|rply|type)\b"
_WITH = rf"{_GAP}(?:with |w/ ?|the word |us )?{_GAP}"
_ANY = (
    rf"(?P<{{}}>(?!(?:send|sms|reply|text|txt|it|and|to|us)\b)[a-z0-9]{{{{1,{LONGEST}}}}}"
    r"(?: (?!to\b|2\b)[a-z0-9]{{1,4}})?)"
)
_OUT = r"(?:opt[ \-]?out|unsub(?:scribe)?|stop|end|quit|leave)(?:te?xts?)?\b"
_english = re.compile(
    # "reply STOP", "txt STOP to 87575": these words say by themselves what they do.
    rf"{_SEND}{_WITH}(?P<plain>stop(?: ?all)?|unsub(?:scribe)?|opt[ \-]?out)(?![a-z0-9])"
    # "text NO to 87575 to opt out"
    rf"|{_SEND}{_WITH}{_ANY.format('named')}{_GAP}(?:to [0-9]{{3,8}}{_GAP})?(?:to|2|for) ?(?:opt[ \-]?out|unsub|stop\b)"
    # "to unsubscribe reply NO", "opt out: text OUT"
    rf"|(?:opt[ \-]?out|unsub(?:scribe)?|\bto stop\b)[^\0.!?]{{0,24}}?{_SEND}{_WITH}{_ANY.format('later')}(?![a-z0-9])"
    # "STOP to end", "STOP to 87575"
    rf"|\b(?P<short>stop|unsub)(?:to| to |2| 2 |=| = ) ?(?:{_OUT}|[0-9]{{3,8}}\b)"
).finditer
_ENGLISH_HINTS = ("stop", "unsub", "opt out", "opt-out", "optout")


def find_unsubscribe_words(normals: Normals) -> list[tuple[str, ...]]:
    """The words to answer that each text names, in capital letters, each once: those of Chinese wordings first."""
    found: list[tuple[str, ...]] = [()] * len(normals.texts)
    for find, hints in ((_chinese, _CHINESE_HINTS), (_english, _ENGLISH_HINTS)):
        for owner in {n for hint in hints for n, text in enumerate(normals.texts) if hint in text}:
            words = (match[match.lastgroup].upper() for match in find(normals.texts[owner]) if match.lastgroup)
            found[owner] = tuple(dict.fromkeys((*found[owner], *words)))
    return found
