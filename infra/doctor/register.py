"""Every check, in the order in which they are told. A later feature adds its own here."""

from infra.doctor import account, data, limits, mail, partners, policies, stacks, wechat, work
from infra.doctor.findings import Check

CHECKS = (
    Check(name="account", look=account.account),
    Check(name="region", look=account.regions),
    Check(name="clock", look=account.clock),
    Check(name="parameters", look=stacks.parameters),
    Check(name="calendar", look=policies.calendar),
    Check(name="Lambda", look=limits.functions),
    Check(name="API Gateway", look=limits.requests),
    Check(name="SES", look=mail.sending),
    Check(name="sender", look=mail.identity),
    Check(name="partners", look=partners.keys),
    Check(name="replies", look=mail.replies),
    Check(name="WeChat", look=wechat.account),
    Check(name="stacks", look=stacks.statuses),
    Check(name="release", look=stacks.release),
    Check(name="drift", look=stacks.drift),
    Check(name="tables", look=data.tables),
    Check(name="buckets", look=data.buckets),
    Check(name="dead letters", look=work.dead_letters),
    Check(name="Step Functions", look=work.executions),
)
