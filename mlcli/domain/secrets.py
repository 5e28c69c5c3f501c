"""What must not be kept: passwords, tokens and keys, known by the name they stand under or by their shape.

A copy of this file runs inside the user's own Pythons: it takes the standard library of 3.8 and nothing of mlcli, and
costs nothing to load, as patterns are made when they are first needed.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Iterator
    from typing import Any

MASK = "***"
_DEEPEST = 64

# One of these is in the lower case of every name that `is_secret`.
_NAMED = ("pass", "pwd", "secret", "credential", "key", "token", "auth", "bearer", "account")
# And one of these between it and its value.
_BEFORE_VALUE = "=: \t"

_NAME = (
    r"(?:(?:pass(?:word|wd|phrase|code)|secret|credential|auth|bearer|authorization"
    r"|(?:api|access|private|secret|account|signing|encryption|master|service|storage|app|license|ssh|auth)[-_]?key"
    r"|(?:access|auth|refresh|api|bearer|bot)[-_]?token)s?[-_]?\d*"
    r"|(?:(?<![a-z])|db|user|smtp|mail|ftp|pg|sql|admin|root|redis)pass(?:es)?\d?|[-_]pwd|mysqlpwd|key[-_]data"
    r"|account[-_]?sid|token)$"
)
# Names that end like a secret's and are none: what a tokenizer puts in, what is counted, how often data is passed.
_HARMLESS = (
    r"(?<![a-z])(?:(?:pad|eos|bos|unk|unknown|sep|separator|cls|mask|blank|start|end|stop|special|prefix|suffix|middle|image"
    r"|audio|video|language|lang|task|word|char|byte|think|thinking|encoder|decoder|prompt|first|last|next|per|max|min|num"
    r"|total|mean|vocab|n)[-_]?token"
    r"|(?:forward|backward|single|multi|one|two|first|second|low|high|band|all|per|num|max|n|no)[-_]pass(?:es)?|passes)$"
)
# A token by what it begins with: what is in every text that holds one, and all of it.
_SHAPES = {
    # But not what scikit-learn calls itself, and the parts of its drawings.
    "sk-": (
        r"sk-(?!learn|container|estimator|toggleable|top-|text-|parallel|item|serial|label|dashed|hidden|resnet)"
        r"[A-Za-z0-9_-]{6,}"
    ),
    "k_": r"[sr]k_(?:live|test)_\w{10,}|gsk_[A-Za-z0-9]{30,}",
    "whsec_": r"whsec_[A-Za-z0-9+/=]{16,}",
    "gh": r"gh[pousr]_[A-Za-z0-9]{10,}",
    "github_pat_": r"github_pat_\w{10,}",
    "gl": r"gl(?:pat|ptt|dt|rt|cbt|soat|ft|imt|agent)-[\w.-]{10,}|gl(?:sa|c)_\w{20,}",
    "xox": r"xox[abcdeprs][-.][\w.-]{10,}",
    "xapp-": r"xapp-[\w-]{10,}",
    "IA": r"A[KS]IA[0-9A-Z]{12,}",
    "hf_": r"hf_(?:(?=[A-Za-z]{0,60}\d)[A-Za-z0-9]{10,}|[A-Za-z0-9]{30,})",
    "AIza": r"AIza[\w-]{20,}",
    "ya29.": r"ya29\.[\w-]{20,}",
    "GOCSPX-": r"GOCSPX-[\w-]{20,}",
    "eyJ": r"(?<![_-])eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{4,}",
    "SG.": r"SG\.[\w-]{16,}\.[\w-]{16,}",
    "SK": r"SK[0-9a-f]{32}(?!\w)",
    "npm_": r"npm_[A-Za-z0-9]{30,}",
    "pypi-": r"pypi-A[\w-]{16,}",
    "dapi": r"dapi[0-9a-f]{32}(?:-\d+)?",
    "_v1_": r"do[opr]_v1_\w{20,}",
    "dp.": r"dp\.(?:pt|st|ct|sa|scim|audit)\.[\w.-]{20,}",
    "hv": r"hv[sb]\.[\w-]{20,}",
    "lin_": r"lin_(?:api|oauth)_\w{20,}",
    "ntn_": r"ntn_[A-Za-z0-9]{20,}",
    "secret_": r"secret_[A-Za-z0-9]{40,}",
    "shp": r"shp(?:at|ca|pa|ss)_\w{20,}",
    "NRAK-": r"NRAK-\w{20,}",
    "HRKU-": r"HRKU-[\w-]{20,}",
    "AGE-SECRET-KEY-1": r"AGE-SECRET-KEY-1[A-Za-z0-9]{20,}",
    "key-": r"key-[A-Za-z0-9]{32}(?!\w)",
    "r8_": r"r8_[A-Za-z0-9]{30,}",
    "nvapi-": r"nvapi-[\w-]{30,}",
    "pplx-": r"pplx-[A-Za-z0-9]{30,}",
    "xai-": r"xai-[A-Za-z0-9]{30,}",
    "lsv2_": r"lsv2_(?:pt|sk)_\w{20,}",
    "sntry": r"sntry[su]_[\w+/=.-]{20,}",
    "ATATT3": r"ATATT3[\w=-]{20,}",
}
# Telegram's and Discord's begin with nothing of their own.
_BOTS = (
    r"(?<!\d)\d{8,10}:[A-Za-z0-9_-]{35}(?![\w-])"
    r"|(?<![A-Za-z0-9])[MNO](?=[A-Za-z_-]{0,26}\d)[\w-]{23,27}\.[\w-]{6,7}\.[\w-]{27,}"
)
# What is kept of these is how they begin: the first group.
_BEGUN = {
    "hooks.slack": r"(hooks\.slack\.com/(?:services|workflows|triggers)/)[\w/-]+",
    "webhook": r"(discord(?:app)?\.com/api/(?:v\d+/)?webhooks/|webhook\.office\.com/webhookb2/)[^\s\"'<>]+",
    "sig=": r"((?<!\w)sig=)[\w%+/=.-]{30,}",
    "bearer": r"((?<!\w)bearer[ \t]+)(?=[A-Za-z._~+/=-]{0,200}\d)[\w.~+/=-]{16,}",
    "basic": r"((?<!\w)basic[ \t]+)([A-Za-z0-9+/]{8,}={0,2})",
}
_KEY_BLOCK = (
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----[\s\S]*?"
    r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----|\Z)"
)
_SCHEMES = r"(?:bearer|basic|token|digest|bot|apikey|negotiate|key)[ \t]+"
_VALUE = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|['"]?[^\s'";&|]+"""

_made: dict[str, Any] = {}


def _pattern(text: str, flags: str = "") -> re.Pattern[str]:
    """The compiled pattern, made once."""
    found = _made.get(text)
    if found is None:
        import re

        wanted = re.ASCII
        for flag in flags:
            wanted |= {"i": re.IGNORECASE, "s": re.DOTALL}[flag]
        found = _made[text] = re.compile(text, wanted)
    made: re.Pattern[str] = found
    return made


def may_hold_secret(text: str) -> bool:
    """Whether it is worth asking for `masked_text`: never False for a text that it would change."""
    lowered = text.lower()
    return (
        (any(trace in lowered for trace in _NAMED) and any(sign in text for sign in _BEFORE_VALUE))
        or any(trace in lowered for trace in _BEGUN)
        or any(trace in text for trace in _SHAPES)
        or ("://" in text and "@" in text)
        or _may_hold_bot(text)
    )


def argv_may_hold_secret(argv: list[str]) -> bool:
    """Whether it is worth asking for `masked_argv`: never False for arguments that it would change."""
    before = ""
    for arg in argv:
        option, equals, _ = arg.partition("=")
        login = (option if equals else before) in _TAKE_LOGIN and ":" in arg
        # An option's value may be the argument that follows.
        if login or may_hold_secret(f"{arg}=" if arg.startswith("-") else arg):
            return True
        before = arg
    return False


def _may_hold_bot(text: str) -> bool:
    return len(text) > 43 and (":" in text or text.count(".") > 1)


def is_secret(name: str) -> bool:
    """Whether a param, option or variable of this name holds a secret: password, token, api_key ..."""
    lowered = name.lower()
    if not any(trace in lowered for trace in _NAMED):
        return False
    plain = name.strip("-+").replace("-", "_")
    return bool(_pattern(_NAME, "i").search(plain)) and not _pattern(_HARMLESS, "i").search(plain)


def masked_text(text: str) -> str:
    """`text` without what is named a secret, without known token shapes and without credentials in URLs."""
    return _masked(text) if may_hold_secret(text) else text


def _masked(text: str) -> str:
    blocked = _pattern(_KEY_BLOCK).sub(MASK, text) if "PRIVATE KEY" in text else text
    masked = _without_named(blocked)
    lowered = masked.lower()
    for trace, begun in _BEGUN.items():
        if trace in lowered:
            masked = _pattern(begun, "i").sub(_masked_end, masked)
    for pattern in _shapes_in(masked):
        masked = pattern.sub(MASK, masked)
    return _without_userinfo(masked, MASK + "@")


def _shapes_in(text: str) -> Iterator[re.Pattern[str]]:
    """The patterns of those tokens that the text may hold."""
    for trace, shape in _SHAPES.items():
        if trace in text:
            yield _pattern(rf"(?<![A-Za-z0-9])(?:{shape})")
    if _may_hold_bot(text):
        yield _pattern(_BOTS)


def _masked_end(found: re.Match[str]) -> str:
    """How a secret begins, and the mask; what `Basic` is followed by is told from a word by what it spells."""
    if found.lastindex == 2:
        from binascii import Error, a2b_base64

        try:
            spelt = a2b_base64(found[2] + "=" * (-len(found[2]) % 4))
        except (Error, ValueError):
            return found[0]
        if b":" not in spelt or not spelt.isascii():
            return found[0]
    return found[1] + MASK


def _without_named(text: str) -> str:
    """Without what follows a secret's name: TOKEN=x, "api-key": "x", --password x, Authorization: Bearer x."""
    kept, done = [], 0
    names = r"""(?<![\w.-])([\w.-]+)(?:["']?[ \t]*[=:][ \t]*|[ \t]+)"""
    for found in _pattern(names).finditer(text):
        connection = found[1].lower() == "pwd" and text[found.start() - 1 : found.start()] == ";"
        if found.start() < done or not (connection or is_secret(found[1])):
            continue
        spaced = text[found.end(1) : found.end()].isspace()
        if spaced and not found[1].startswith("--") and not _in_netrc(text, found.start(1)):
            continue
        scheme = _pattern(_SCHEMES, "i").match(text, found.end())
        value = _pattern(_VALUE, "s").match(text, scheme.end() if scheme else found.end())
        if value and not value[0].startswith(MASK) and value[0].lower() not in _NOTHING:
            kept += [text[done : value.start()], MASK]
            done = value.end()
    return "".join(kept) + text[done:]


# What can stand for a secret and is none.
_NOTHING = frozenset(("true", "false", "none", "null", "''", '""'))


def _in_netrc(text: str, at: int) -> bool:
    """Whether what begins at `at` follows a login, as in .netrc: login ada password x."""
    return bool(_pattern(r"(?:login|user|account)[ \t\n]+\S+[ \t\n]+\Z").search(text[max(0, at - 200) : at]))


def _without_userinfo(text: str, instead: str) -> str:
    """Without user and password of the URLs in it."""
    if "@" not in text or "://" not in text:
        return text
    return _pattern(r"\S+").sub(lambda found: _url_without_userinfo(found[0], instead), text)


def _url_without_userinfo(word: str, instead: str) -> str:
    # Up to the last '@', and past a '/' where what follows ':' is no port: a password may hold both.
    last = word.rfind("@") if "://" in word else -1
    if last < 0:
        return word
    kept, done = [], 0
    for found in _pattern(r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]*://").finditer(word):
        if found.start() < done:
            continue
        begin = found.end()
        slash = word.find("/", begin)
        authority = word[begin : slash if slash >= 0 else len(word)]
        colon = authority.find(":")
        if 0 <= colon < last - begin and not _pattern(r"\d+/").match(word, begin + colon + 1):
            end = last
        else:
            end = begin + authority.rfind("@")
            if end < begin:
                continue
        kept += [word[done:begin], instead]
        done = end + 1
    return "".join(kept) + word[done:]


def without_credentials(url: str) -> str:
    """A remote's URL without user, password and query: https://user:token@host/x?y becomes https://host/x."""
    if _pattern(r"(?:git\+)?ssh://[^/:@\s]+@").match(url):
        return url.partition("?")[0]  # a login name, without which the URL would not work
    return masked_text(_without_userinfo(url, "").partition("?")[0])


_TAKE_LOGIN = ("-u", "--user", "--proxy-user")
_LOGIN = r"([^\s:/]+:)(?!\d+$)[^\s/]+$"  # but no 1000:1000


def masked_argv(argv: list[str]) -> list[str]:
    """The arguments as they may be kept: `--password x`, `api_key=x`, token shapes and credentials in URLs masked."""
    kept: list[str] = []
    hide_next = False
    before = ""
    for arg in argv:
        name, equals, value = arg.partition("=")
        option, text = (name, value) if equals else (before, arg)
        login = _pattern(_LOGIN).match(text) if option in _TAKE_LOGIN else None
        if hide_next and not (arg.startswith("-") and len(arg) > 1):
            kept.append(arg if arg.lower() in _NOTHING else MASK)
        elif equals and value and " " not in name and is_secret(name):
            kept.append(arg if value.lower() in _NOTHING else f"{name}={MASK}")
        elif login:
            kept.append(arg[: len(arg) - len(text)] + login[1] + MASK)
        else:
            kept.append(masked_text(arg))
        before = arg
        hide_next = not equals and arg.startswith("-") and is_secret(arg)
    return kept


def masked_value(name: str, value: Any) -> Any:
    """A JSON value as it may be kept under `name`: what is named a secret masked, and what is shaped like one."""
    return _masked_value(value, is_secret(name), 0)


def _masked_value(value: Any, secret: bool, depth: int) -> Any:
    if depth > _DEEPEST:
        return MASK
    if isinstance(value, dict):
        return {
            _masked_key(key): _masked_value(each, secret or is_secret(str(key)), depth + 1)
            for key, each in value.items()
        }
    if isinstance(value, (list, tuple)):
        each_masked = [_masked_value(each, secret, depth + 1) for each in value]
        return each_masked if isinstance(value, list) else tuple(each_masked)
    if value is None or isinstance(value, bool):
        return value
    if secret:
        return value if str(value).lower() in _NOTHING or value == "" else MASK
    return masked_text(value) if isinstance(value, str) else value


def _masked_key(key: Any) -> Any:
    return masked_text(key) if isinstance(key, str) else key


def holds_secret(data: bytes) -> bool:
    """Whether a text file holds what looks like a secret: by its shape, or as what is assigned to a secret's name.

    A name alone, a variable, or what stands in an example for a secret is none.
    """
    if b"\0" in data:
        return False
    text = data.decode("utf-8", "replace")
    return (
        any(pattern.search(text) for pattern in _shapes_in(text))
        or _begins(text)
        or bool("PRIVATE KEY" in text and _pattern(_KEY_WITHIN).search(text))
        or any(_is_literal("password", found[1]) for found in _pattern(_URL_LOGIN).finditer(text))
        or any(_assigns(line) for line in text.splitlines())
    )


def _begins(text: str) -> bool:
    lowered = text.lower()
    made = (_pattern(begun, "i").finditer(text) for trace, begun in _BEGUN.items() if trace in lowered)
    return any(_masked_end(found) != found[0] for each in made for found in each)


def _assigns(line: str) -> bool:
    lowered = line.lower()
    if not any(trace in lowered for trace in _NAMED):
        return False
    bare = _pattern(_BARE).match(line)
    return bool(bare and _is_literal(bare[1], bare[2], bare=True)) or any(
        _is_literal(found[1], found[3]) for found in _pattern(_QUOTED).finditer(line)
    )


_KEY_WITHIN = (
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----\s*(?:\\n)?(?:[\w-]+: [^\n]*\n)*\s*[A-Za-z0-9+/]{40,}"
)
_URL_LOGIN = r"""(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@"'<>{}$]*:([^\s/@"'<>{}$]+)@"""
_QUOTED = r"""(?<![\w.-])([\w.-]+)["']?\]?[ \t]*(?::[ \t]*\w+[ \t]*)?[=:][ \t]*[rbu]?(["'])([^"'\s]{4,500})\2"""
_BARE = r"[ \t]*(?:export[ \t]+)?([\w.-]+)(?:=|:[ \t]+)([\w.+/=@%!^~,:-]{6,500})[ \t]*$"
_STAND_IN = (
    r"^(?:x+|\*+|\.+|-+|0+|changeme|change[-_]me|placeholder|dummy|fake|todo|redacted|hidden|test(?:ing)?|none|null"
    r"|(?:your|my|the|an?|some|example|insert|enter|replace|fixme)(?:[-_.].*)?|pw|pwd|pass)$"
    r"|[<>{}$]|environ|getenv"
)


def _is_literal(name: str, value: str, bare: bool = False) -> bool:
    """Whether the value that stands under a name is a secret itself."""
    if not is_secret(name) or is_secret(value) or _pattern(_STAND_IN, "i").search(value):
        return False
    digit = any(each.isdigit() for each in value)
    # Whoever writes a password takes any word; a token is long, and the word is used for the parts of a text too.
    return digit or not bare if "pass" in name.lower() or "pwd" in name.lower() else digit and len(value) > 11
