"""What people meet is TLS, firewalled and logged, and there is no way round it to the API or the bucket."""

import re
from collections.abc import Iterator
from typing import Any

from chalicelib.core.http import VIEWER_ADDRESS
from chalicelib.publication.channels.website.policy import script_sources
from infra.checks.findings import Finding
from infra.checks.templates import of_type, statements, text_of
from infra.checks.tree import DATA, EDGE, EDGE_GLOBAL, PACKAGED, RECOVERY, Tree

_SECRET = re.compile(r"\{\{resolve:secretsmanager:\$\{(\w+)}}}")
_MANAGED = {"AWSManagedRulesCommonRuleSet", "AWSManagedRulesKnownBadInputsRuleSet"}
SHORTEST = 32
"""What an edge key must have in characters."""
UNCACHED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
"""CloudFront's own policy CachingDisabled."""
_PREFIXES = {"PublicSite": "/public", "InternalSite": "/internal"}


def _at_edge(where: str, message: str) -> Finding:
    return Finding(file=EDGE, where=where, message=message)


def distributions(tree: Tree) -> Iterator[Finding]:
    """TLS 1.2 at least, a firewall, a log, and for the internal part nobody but the company's networks."""
    for name, config in _configs(tree):
        certificate = config.get("ViewerCertificate", {})
        if not re.match(r"TLSv1\.[23]_20(?:2[1-9]|[3-9]\d)", str(certificate.get("MinimumProtocolVersion"))):
            yield _at_edge(name, "takes TLS older than 1.2")
        wanted = "InternalAclArn" if name == "InternalSite" else "OpenAclArn"
        if config.get("WebACLId") != {"Ref": wanted}:
            yield _at_edge(name, f"its firewall is not {wanted}")
        if "Logging" not in config:
            yield _at_edge(name, "logs nothing")


def origins(tree: Tree) -> Iterator[Finding]:
    """Each distribution shows its own part, and reads the bucket with an access control of its own."""
    for name, config in _configs(tree):
        for origin in config["Origins"]:
            if "S3OriginConfig" in origin and "OriginAccessControlId" not in origin:
                yield _at_edge(name, "reads the bucket as anybody would")
            if origin.get("OriginPath") != _PREFIXES.get(name, "/api"):
                yield _at_edge(name, f"shows {origin.get('OriginPath')}")


def behaviors(tree: Tree) -> Iterator[Finding]:
    """Nothing goes in clear, pages have their headers, and what is one person's is not kept for another."""
    for name, config in _configs(tree):
        for behavior in (config["DefaultCacheBehavior"], *config.get("CacheBehaviors", [])):
            if behavior["ViewerProtocolPolicy"] not in {"https-only", "redirect-to-https"}:
                yield _at_edge(name, "answers what does not come by TLS")
            if name in _PREFIXES and "ResponseHeadersPolicyId" not in behavior:
                yield _at_edge(name, "answers without its security headers")
            if name not in _PREFIXES and behavior["CachePolicyId"] != UNCACHED:
                yield _at_edge(name, "keeps answers that are one person's")


def _configs(tree: Tree) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, one in of_type(tree.stacks[EDGE], "AWS::CloudFront::Distribution").items():
        yield name, one["DistributionConfig"]


def headers(tree: Tree) -> Iterator[Finding]:
    """Every page and file comes with the headers that keep it in its place; files are never pages."""
    for name, one in of_type(tree.stacks[EDGE], "AWS::CloudFront::ResponseHeadersPolicy").items():
        said = one["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"]
        wanted = {
            "StrictTransportSecurity",
            "ContentTypeOptions",
            "ReferrerPolicy",
            "FrameOptions",
            "ContentSecurityPolicy",
        }
        for missing in sorted(wanted - said.keys()):
            yield _at_edge(name, f"says nothing of {missing}")
        policy = said.get("ContentSecurityPolicy", {}).get("ContentSecurityPolicy", "")
        if name == "FileHeaders" and not policy.startswith("sandbox;"):
            yield _at_edge(name, "lets files act as pages of the site")
        if name == "PageHeaders" and f"script-src {script_sources()};" not in policy:
            yield _at_edge(name, f"lets pages run other scripts than theirs: script-src {script_sources()}")


def firewalls(tree: Tree) -> Iterator[Finding]:
    """A rate, AWS's sets, and for the internal part nobody but the company's networks."""
    acls = of_type(tree.stacks[EDGE_GLOBAL], "AWS::WAFv2::WebACL")
    for name, acl in acls.items():
        rules = [rule["Statement"] for rule in acl["Rules"]]
        if not any("RateBasedStatement" in rule for rule in rules):
            yield Finding(file=EDGE_GLOBAL, where=name, message="lets one address ask without end")
        managed = {
            rule["ManagedRuleGroupStatement"]["Name"] for rule in rules if "ManagedRuleGroupStatement" in rule
        }
        for missing in sorted(_MANAGED - managed):
            yield Finding(file=EDGE_GLOBAL, where=name, message=f"does without {missing}")
        if acl["Scope"] != "CLOUDFRONT":
            yield Finding(file=EDGE_GLOBAL, where=name, message="is none of CloudFront's")
    if "Block" not in acls["InternalAcl"]["DefaultAction"]:
        yield Finding(file=EDGE_GLOBAL, where="InternalAcl", message="lets everybody in")


def api_is_closed(tree: Tree) -> Iterator[Finding]:
    """The API takes only what says the edge's key, on its one stage, and the key stands in no file."""
    edge = tree.stacks[EDGE]
    acl = of_type(edge, "AWS::WAFv2::WebACL")["ApiAcl"]
    if "Block" not in acl["DefaultAction"] or acl["Scope"] != "REGIONAL":
        yield _at_edge("ApiAcl", "lets in who goes round the edge")
    if acl["VisibilityConfig"]["SampledRequestsEnabled"] is not False or any(
        rule["VisibilityConfig"]["SampledRequestsEnabled"] is not False for rule in acl["Rules"]
    ):
        yield _at_edge("ApiAcl", "shows the key in its samples of requests")
    secrets = of_type(edge, "AWS::SecretsManager::Secret")
    for name, secret in secrets.items():
        if (
            "SecretString" in secret
            or secret.get("GenerateSecretString", {}).get("PasswordLength", 0) < SHORTEST
        ):
            yield _at_edge(name, "is not made by Secrets Manager, or is short")
    yield from _keys_taken(acl, set(secrets))
    yield from _key_sent(edge, set(secrets))
    stages = of_type(tree.translated, "AWS::ApiGateway::Stage")
    deployed = [
        d["StageName"]
        for d in of_type(tree.translated, "AWS::ApiGateway::Deployment").values()
        if "StageName" in d
    ]
    names = {stage["StageName"] for stage in stages.values()} | set(deployed)
    guarded = {
        text_of(one["ResourceArn"]).rpartition("/stages/")[2]
        for one in of_type(edge, "AWS::WAFv2::WebACLAssociation").values()
    }
    for stage in sorted(names - guarded):
        yield Finding(
            file=PACKAGED, where="RestAPI", message=f"its stage {stage} is open to who goes round the edge"
        )


def _keys_taken(acl: dict[str, Any], secrets: set[str]) -> Iterator[Finding]:
    allowed = [rule["Statement"] for rule in acl["Rules"] if "Allow" in rule.get("Action", {})]
    taken = [
        each["ByteMatchStatement"]
        for rule in allowed
        for each in rule.get("OrStatement", {}).get("Statements", [])
    ]
    if len(allowed) != 1 or {_secret_of(each["SearchString"]) for each in taken} != secrets:
        yield _at_edge("ApiAcl", "does not take exactly the edge's keys")
    if any(each["PositionalConstraint"] != "EXACTLY" for each in taken):
        yield _at_edge("ApiAcl", "takes a part of a key for the whole")


def _key_sent(edge: dict[str, Any], secrets: set[str]) -> Iterator[Finding]:
    (origin,) = of_type(edge, "AWS::CloudFront::Distribution")["Desk"]["DistributionConfig"]["Origins"]
    (header,) = origin.get("OriginCustomHeaders") or [{"HeaderValue": {"Fn::If": ["", "", ""]}}]
    match header["HeaderValue"]:
        case {"Fn::If": [_, first, second]} if {_secret_of(first), _secret_of(second)} == secrets:
            return
    yield _at_edge("Desk", "does not send the key in use out of Secrets Manager")


def _secret_of(value: Any) -> str:  # noqa: ANN401 — a template's values have any shape
    found = _SECRET.fullmatch(text_of(value))
    return found[1] if found else ""


def viewers_address(tree: Tree) -> Iterator[Finding]:
    """The edge overwrites the header that the code believes, on every request to the desk."""
    edge = tree.stacks[EDGE]
    code = of_type(edge, "AWS::CloudFront::Function")["ViewerAddress"]["FunctionCode"]
    if f'request.headers["{VIEWER_ADDRESS}"] = {{ value: event.viewer.ip }}' not in code:
        yield _at_edge("ViewerAddress", f"does not overwrite {VIEWER_ADDRESS}")
    behavior = of_type(edge, "AWS::CloudFront::Distribution")["Desk"]["DistributionConfig"][
        "DefaultCacheBehavior"
    ]
    wanted = {
        "EventType": "viewer-request",
        "FunctionARN": {"Fn::GetAtt": ["ViewerAddress", "FunctionMetadata.FunctionARN"]},
    }
    if wanted not in behavior.get("FunctionAssociations", []):
        yield _at_edge("Desk", "lets visitors choose the address that they are counted under")


def site_is_private(tree: Tree) -> Iterator[Finding]:
    """Nobody reads the site's bucket but distributions of this account, and each of the two folders only."""
    document = of_type(tree.data, "AWS::S3::BucketPolicy")["SitePolicy"]["PolicyDocument"]
    for statement in statements(document):
        if statement["Effect"] != "Allow":
            continue
        source = text_of(statement.get("Condition", {}).get("ArnLike", {}).get("aws:SourceArn"))
        if (
            statement["Principal"] != {"Service": "cloudfront.amazonaws.com"}
            or "${AWS::AccountId}" not in source
        ):
            yield Finding(
                file=DATA, where="SitePolicy", message=f"{statement['Sid']}: others than our distributions"
            )


def trail(tree: Tree) -> Iterator[Finding]:
    """Who touched a package is known, in every region, in files that show whether they were changed."""
    for name, one in of_type(tree.stacks[RECOVERY], "AWS::CloudTrail::Trail").items():
        for key in ("IsLogging", "IsMultiRegionTrail", "EnableLogFileValidation"):
            if one.get(key) is not True:
                yield Finding(file=RECOVERY, where=name, message=f"{key} is off")
        if "-archive-" not in str(one.get("AdvancedEventSelectors")):
            yield Finding(file=RECOVERY, where=name, message="does not tell of the archive's packages")
