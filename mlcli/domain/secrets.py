"""What must not be kept: passwords, tokens and keys, known by the name they stand under or by their shape.

A copy of this file runs inside the user's own Pythons: it takes the standard library of 3.8 and nothing of mlcli, and
costs nothing to load, as patterns are made when they are first needed.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from typing import Any

MASK = "***"
_DEEPEST = 64

# One of these is in the lower case of every text that holds a secret: asking for them is cheap.
_TRACES = (
    "pass", "pwd", "secret", "credential", "key", "token", "auth", "bearer", "basic", "account", "sig=", "webhook",
    "hooks.slack", "sk-", "sk_", "rk_", "gh", "github_", "gl", "xox", "xapp-", "akia", "asia", "hf_", "aiza", "ya29.",
    "eyj", "sg.", "npm_", "pypi-", "dapi", "_v1_", "dp.", "hvs.", "hvb.", "lin_", "ntn_", "shp", "nrak-", "r8_",
    "nvapi-", "pplx-", "xai-", "gsk_", "gocspx-", "lsv2_", "hrku-", "sntry", "atatt",
)  # fmt: skip

_NAME = (
    r"(?:(?:pass(?:word|wd|phrase|code)|secret|credential|auth|bearer|authorization"
    r"|(?:api|access|private|secret|account|signing|encryption|master|service|storage|app|license|ssh|auth)[-_]?key"
    r"|(?:access|auth|refresh|api|bearer|bot)[-_]?token)s?[-_]?\d*"
    r"|(?:(?<![a-z])|db|user|smtp|mail|ftp|pg|sql|admin|root|redis)pass(?:es)?\d?|[-_;]pwd|mysqlpwd|key[-_]data"
    r"|account[-_]?sid|token)$"
)
# Names that end like a secret's and are none: what a tokenizer puts in, what is counted, how often data is passed.
_HARMLESS = (
    r"(?:(?:pad|eos|bos|unk|sep|cls|mask|start|end|stop|special|image|next|per|prompt|first|last|separator)[-_]?token"
    r"|(?:forward|backward|single|multi|one|two|first|second|low|high|band|all|per|num|max|n|no)[-_]pass(?:es)?"
    r"|(?<![a-z])passes)$"
)
_SHAPES = (
    r"(?<![A-Za-z0-9])(?:"
    r"sk-(?=[A-Za-z_-]{0,60}\d)[A-Za-z0-9_-]{6,}|[sr]k_(?:live|test)_\w{10,}|whsec_[A-Za-z0-9+/=]{16,}"
    r"|gh[pousr]_[A-Za-z0-9]{10,}|github_pat_\w{10,}|gl(?:pat|ptt|dt|rt|cbt|soat|ft|imt|agent)-[\w.-]{10,}"
    r"|xox[abcdeprs][-.][\w.-]{10,}|xapp-[\w-]{10,}"
    r"|A[KS]IA[0-9A-Z]{12,}|hf_(?:(?=[A-Za-z]{0,60}\d)[A-Za-z0-9]{10,}|[A-Za-z0-9]{30,})"
    r"|AIza[\w-]{20,}|ya29\.[\w-]{20,}|GOCSPX-[\w-]{20,}|SG\.[\w-]{16,}\.[\w-]{16,}|SK[0-9a-f]{32}(?!\w)"
    r"|npm_[A-Za-z0-9]{30,}|pypi-A[\w-]{16,}|dapi[0-9a-f]{32}(?:-\d+)?|do[opr]_v1_\w{20,}"
    r"|dp\.(?:pt|st|ct|sa|scim|audit)\.[\w.-]{20,}|hv[sb]\.[\w-]{20,}|lin_(?:api|oauth)_\w{20,}"
    r"|ntn_[A-Za-z0-9]{20,}|secret_[A-Za-z0-9]{40,}|shp(?:at|ca|pa|ss)_\w{20,}|NRAK-\w{20,}|HRKU-[\w-]{20,}"
    r"|AGE-SECRET-KEY-1[A-Za-z0-9]{20,}|key-[A-Za-z0-9]{32}(?!\w)|gsk_[A-Za-z0-9]{30,}|r8_[A-Za-z0-9]{30,}"
    r"|nvapi-[\w-]{30,}|pplx-[A-Za-z0-9]{30,}|xai-[A-Za-z0-9]{30,}|lsv2_(?:pt|sk)_\w{20,}|sntry[su]_[\w+/=.-]{20,}"
    r"|ATATT3[\w=-]{20,}|gl(?:sa|c)_\w{20,}"
    r"|[MNO][\w-]{23,27}\.[\w-]{6,7}\.[\w-]{27,}"
    r")"
    r"|(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{4,}"
    r"|(?<!\d)\d{8,10}:[A-Za-z0-9_-]{35}(?![\w-])"
)
# What is kept of these is how they begin: the first group.
_BEGUN = (
    r"(hooks\.slack\.com/(?:services|workflows|triggers)/)[\w/-]+"
    r"|(discord(?:app)?\.com/api/(?:v\d+/)?webhooks/)[\w/-]+"
    r"|(webhook\.office\.com/webhookb2/)[^\s\"']+"
    r"|((?<!\w)sig=)[\w%+/=.-]{30,}"
    r"|((?<!\w)bearer[ \t]+)(?=[A-Za-z._~+/=-]{0,200}\d)[\w.~+/=-]{16,}"
)
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
            wanted |= {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}[flag]
        found = _made[text] = re.compile(text, wanted)
    made: re.Pattern[str] = found
    return made


def may_hold_secret(text: str) -> bool:
    """Whether it is worth asking for `masked_text`: never False for a text that it would change."""
    lowered = text.lower()
    for trace in _TRACES:
        if trace in lowered:
            return True
    if "://" in text and "@" in text:
        return True
    # Twilio's, Telegram's and Discord's have no word of their own.
    long = len(text) > 33
    return long and ("SK" in text or ":" in text or text.count(".") > 1)


def is_secret(name: str) -> bool:
    """Whether a param, option or variable of this name holds a secret: password, token, api_key ..."""
    plain = name.strip("-+").replace("-", "_")
    return bool(_pattern(_NAME, "i").search(plain)) and not _pattern(_HARMLESS, "i").search(plain)


def masked_text(text: str) -> str:
    """`text` without what is named a secret, without known token shapes and without credentials in URLs."""
    return _masked(text) if may_hold_secret(text) else text


def _masked(text: str) -> str:
    blocked = _pattern(_KEY_BLOCK).sub(MASK, text) if "PRIVATE KEY" in text else text
    named = _without_basic(_without_named(blocked))
    begun = _pattern(_BEGUN, "i").sub(lambda found: found[found.lastindex or 0] + MASK, named)
    shaped = _pattern(_SHAPES).sub(MASK, begun)
    return _without_userinfo(shaped, MASK + "@")


def _without_named(text: str) -> str:
    """Without what follows a secret's name: TOKEN=x, "api-key": "x", --password x, Authorization: Bearer x."""
    kept, done = [], 0
    names = r"""(?<![\w.-])([\w.-]+)(?:["']?[ \t]*[=:][ \t]*|[ \t]+)"""
    for found in _pattern(names).finditer(text):
        if found.start() < done or not is_secret(found[1]):
            continue
        spaced = text[found.end(1) : found.end()].isspace()
        if spaced and not found[1].startswith("--") and not _in_netrc(text, found.start(1)):
            continue
        scheme = _pattern(_SCHEMES, "i").match(text, found.end())
        value = _pattern(_VALUE, "s").match(text, scheme.end() if scheme else found.end())
        if value and value[0].lower() not in _NOTHING:
            kept += [text[done : value.start()], MASK]
            done = value.end()
    return "".join(kept) + text[done:]


# What can stand for a secret and is none.
_NOTHING = frozenset(("true", "false", "none", "null", MASK, "''", '""'))


def _in_netrc(text: str, at: int) -> bool:
    """Whether what begins at `at` follows a login, as in .netrc: login ada password x."""
    return bool(_pattern(r"(?:login|user|account)[ \t\n]+\S+[ \t\n]+\Z").search(text[max(0, at - 200) : at]))


def _without_basic(text: str) -> str:
    """Without the credentials of `Basic dXNlcjpwYXNz`, which are told from a word by what they spell."""
    if "asic " not in text:
        return text

    def mask(found: re.Match[str]) -> str:
        from binascii import Error, a2b_base64

        try:
            spelt = a2b_base64(found[2] + "=" * (-len(found[2]) % 4))
        except (Error, ValueError):
            return found[0]
        return found[1] + MASK if b":" in spelt and spelt.isascii() else found[0]

    return _pattern(r"((?<!\w)basic )([A-Za-z0-9+/]{8,}={0,2})", "i").sub(mask, text)


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


def masked_argv(argv: list[str]) -> list[str]:
    """The arguments as they may be kept: `--password x`, `api_key=x`, token shapes and credentials in URLs masked."""
    kept: list[str] = []
    hide_next = False
    for arg in argv:
        name, equals, value = arg.partition("=")
        if hide_next and not (arg.startswith("-") and len(arg) > 1):
            kept.append(arg if arg.lower() in _NOTHING else MASK)
        elif equals and value and " " not in name and is_secret(name):
            kept.append(arg if value.lower() in _NOTHING else f"{name}={MASK}")
        else:
            kept.append(masked_text(arg))
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
