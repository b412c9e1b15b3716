"""The salutation of a person by name at the beginning of a text: 尊敬的王女士, 张伟您好, Dear Ms Wong.

Advertising of property and education names the reader; 尊敬的客户 and "Dear customer" name nobody. Masked names
(王**女士) count. The text is read in normal form; a signature may stand before the salutation.
"""

from __future__ import annotations

import re

from pipeline.text.normal import Normals

_OPEN, _CLOSE = r"\[【〖〔〘〚⟦❲", r"\]】〗〕〙〛⟧❳"
_SIGNATURE = rf"(?:[{_OPEN}][^{_OPEN}{_CLOSE}]{{1,32}}[{_CLOSE}][^\w{_OPEN}]{{0,3}}){{0,2}}"
# Frequent surnames, from general knowledge, and the usual compound surnames.
_SURNAME = (
    "(?:欧阳|上官|司马|诸葛|东方|皇甫|尉迟|公孙|慕容|令狐|司徒|夏侯|"
    "[王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高郑梁谢宋唐许韩冯邓曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖石金韦贾夏付方邹熊白孟秦"
    "邱侯江尹薛阎段雷龙黎史陶贺毛郝顾龚邵万覃武钱戴严莫孔向常汤康易乔赖文伍洪])"
)
_TITLE = "(?:先生|女士|小姐|太太|老师|同学|家长|总|经理|主任|医生|教授|阿姨|叔叔|校长|师傅|妈妈|爸爸)"
_POLITE = r"(?:尊敬的|敬爱的|亲爱的|您好|你好|hi|致)?[^\w\0]{0,2}"
_NOBODY = (
    "(?:customer|client|member|user|parent|student|guest|friend|sir|madam|all|valued|subscriber|shopper|resident|owner|"
    "there|everyone|team|investor|patient|traveller|traveler|passenger|reader|buyer|neighbou?r|folks|guys|my|our|dear|cardholder|account|sorry)s?\\b"
)
_named = re.compile(
    rf"[^\w\0{_OPEN}]{{0,3}}{_SIGNATURE}{_POLITE}(?:"
    rf"(?!马上|顾客|车主)(?:{_SURNAME}[一-鿿*]{{0,2}}{_TITLE}"
    rf"|{_SURNAME}[一-鿿*]{{1,2}}[^\w\0]?[您你]好)"
    rf"|(?:dear|hi|hello|hey),? (?:mr|mrs|ms|miss|mx|dr|prof)\b\.? ?[a-z]{{2,}}"
    rf"|(?:dear|hi|hello|hey),? (?!{_NOBODY})[a-z]{{2,20}}(?: [a-z]{{2,20}})?[,!:;]"
    r")"
).match


def find_salutations(normals: Normals) -> list[bool]:
    """Whether each text begins with a salutation by name."""
    return [_named(text) is not None for text in normals.texts]
