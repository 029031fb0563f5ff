"""The words of each mail, in the language of whom it goes to. Plain text: nothing in it is a link."""

from string import Formatter
from typing import Any

from cambist.accounts.mail import Kind, Mail

_CODE_EN = "Your code is {code}. It is good for ten minutes. Nobody of ours will ever ask you for it."
_CODE_ZH = "您的验证码是 {code}，十分钟内有效。我们的工作人员绝不会向您索要验证码。"
_NOT_YOU_EN = "If this was not you, freeze your account on the security page and change your password."
_NOT_YOU_ZH = "如果不是您本人操作，请在安全页面冻结账户并修改密码。"

# By kind: (subject, text) in English, then in Chinese.
WORDS: dict[Kind, tuple[tuple[str, str], tuple[str, str]]] = {
    Kind.SIGN_UP_CODE: (("Welcome: your code", _CODE_EN), ("欢迎注册：您的验证码", _CODE_ZH)),
    Kind.SIGN_UP_AGAIN: (
        (
            "You have an account already",
            "Somebody wanted to sign up with this address, which has an account. If it was you, sign in: "
            "the password can be reset there. If not, there is nothing to do.",
        ),
        (
            "您已有账户",
            "有人想用此邮箱注册，但该邮箱已有账户。如果是您本人，请直接登录或重置密码；否则无需处理。",
        ),
    ),
    Kind.RESET_CODE: (("Your code for a new password", _CODE_EN), ("重置密码的验证码", _CODE_ZH)),
    Kind.RESET_UNKNOWN: (
        (
            "No account here",
            "Somebody asked for a new password for this e-mail address, which has no account here.",
        ),
        ("此邮箱没有账户", "有人请求重置此邮箱的密码，但该邮箱在本站没有账户。"),
    ),
    Kind.NEW_DEVICE: (
        ("A sign-in from a new device", f"From {{address}} with {{agent}}. {_NOT_YOU_EN}"),
        ("新设备登录", f"来自 {{address}}，设备 {{agent}}。{_NOT_YOU_ZH}"),
    ),
    Kind.GUESSED_SECOND_FACTOR: (
        (
            "Somebody knows your password",
            "Wrong codes of your authenticator app were given with your right password. If this was not you, "
            "change the password now.",
        ),
        ("有人知道您的密码", "有人输入了正确的密码和多次错误的动态码。如果不是您本人，请立即修改密码。"),
    ),
    Kind.PASSWORD_CHANGED: (
        (
            "Your password was changed",
            f"All sessions and API keys have ended, and withdrawals wait for a while. {_NOT_YOU_EN}",
        ),
        ("密码已修改", f"所有会话和 API 密钥均已失效，提现将暂停一段时间。{_NOT_YOU_ZH}"),
    ),
    Kind.SECOND_FACTOR_CHANGED: (
        ("Your authenticator app was changed", f"Withdrawals wait for a while. {_NOT_YOU_EN}"),
        ("两步验证已更改", f"提现将暂停一段时间。{_NOT_YOU_ZH}"),
    ),
    Kind.EMAIL_CHANGE_CODE: (
        ("Confirm your new e-mail address", f"The new address is {{newEmail}}. {_CODE_EN}"),
        ("确认新邮箱", f"新邮箱为 {{newEmail}}。{_CODE_ZH}"),
    ),
    Kind.EMAIL_CHANGED: (
        (
            "Your e-mail address was changed",
            f"It is now {{newEmail}}. Withdrawals wait for a while. {_NOT_YOU_EN}",
        ),
        ("邮箱已更改", f"新邮箱为 {{newEmail}}。提现将暂停一段时间。{_NOT_YOU_ZH}"),
    ),
    Kind.RECOVERY_CODE_USED: (
        ("A recovery code was used", f"Withdrawals wait for a while. {_NOT_YOU_EN}"),
        ("恢复码已使用", f"提现将暂停一段时间。{_NOT_YOU_ZH}"),
    ),
    Kind.FROZEN: (
        ("Your account is frozen", "As you wanted. Ask us when it is to go on."),
        ("账户已冻结", "已按您的要求冻结账户。需要恢复时请联系我们。"),
    ),
    Kind.NEW_API_KEY: (
        ("A new API key", f"It is called {{label}} and may {{scopes}}. {_NOT_YOU_EN}"),
        ("新建 API 密钥", f"名称：{{label}}；权限：{{scopes}}。{_NOT_YOU_ZH}"),
    ),
    Kind.NEW_ADDRESS: (
        ("A new withdrawal address", f"{{address}} on {{network}}. {_NOT_YOU_EN}"),
        ("新增提现地址", f"{{network}} 网络：{{address}}。{_NOT_YOU_ZH}"),
    ),
    Kind.WITHDRAWAL_REQUESTED: (
        ("A withdrawal was requested", f"{{amount}} {{asset}} to {{address}} on {{network}}. {_NOT_YOU_EN}"),
        ("提现申请", f"{{amount}} {{asset}}，{{network}} 网络，地址 {{address}}。{_NOT_YOU_ZH}"),
    ),
    Kind.WITHDRAWAL_SENT: (
        ("A withdrawal was sent", "{amount} {asset} to {address} on {network}, transaction {txid}."),
        ("提现已发送", "{amount} {asset}，{network} 网络，地址 {address}，交易 {txid}。"),
    ),
    Kind.DEPOSIT_CREDITED: (
        ("A deposit has arrived", "{amount} {asset} on {network}, transaction {txid}."),
        ("充值到账", "{amount} {asset}，{network} 网络，交易 {txid}。"),
    ),
}
_PHRASE = {"en": "Your phrase: {phrase}", "zh": "您的防钓鱼码：{phrase}"}


def of(mail: Mail) -> tuple[str, str]:
    """(subject, text). What the content lacks is left out."""
    english, chinese = WORDS[mail.kind]
    subject, text = chinese if mail.language == "zh" else english
    lines = [_Filled().format(text, **mail.content)]
    if phrase := mail.content.get("phrase"):
        lines.append(_PHRASE["zh" if mail.language == "zh" else "en"].format(phrase=phrase))
    return subject, "\n".join(lines)


class _Filled(Formatter):
    """Only names, and their values as text: a value from outside is never a format itself."""

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> tuple[str, str]:
        value = kwargs.get(field_name, "")
        return (", ".join(map(str, value)) if isinstance(value, list) else str(value)), field_name
