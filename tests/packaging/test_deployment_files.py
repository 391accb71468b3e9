"""compose.scale.yaml, deploy/kubernetes and the Helm chart have settings, ports, paths and files that Stocky has."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
import yaml

from stocky import __version__
from stocky.app import make_routes
from stocky.config import load
from tests import charts
from tests.conftest import TestDatabases, settings
from tests.people import PASSWORD
from tests.proxies import MISSING as MISSING_PROXIES
from tests.proxies import make_certificate, running
from tests.serving import ROOT, free_port, serve
from tests.standby import needs_standby, standby_of

COMPOSE = ROOT / "compose.scale.yaml"
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "stocky"
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
SECRET = "stocky"
KUBERNETES = "1.31"

Document = dict[str, Any]


def compose() -> Document:
    """compose.scale.yaml with a password filled in."""
    text = re.sub(r"\$\{POSTGRES_PASSWORD[^}]*\}", "secret-password", COMPOSE.read_text("utf-8"))
    loaded: Document = yaml.safe_load(text)
    return loaded


def documents(text: str) -> list[Document]:
    return [each for each in yaml.safe_load_all(text) if each]


def manifests() -> list[Document]:
    return [
        each for file in sorted((DEPLOY / "kubernetes").glob("*.yaml")) for each in documents(file.read_text("utf-8"))
    ]


def test_compose_file_has_only_settings_of_stocky_and_files_that_exist(tmp_path: Path) -> None:
    services = compose()["services"]
    for name in ("migrate", "stocky-1", "stocky-2", "stocky-3"):
        service = services[name]
        _check_settings(service["environment"], tmp_path)
        assert service["build"] == "."
        assert service["volumes"] == ["stocky-data:/data"]
    assert services["migrate"]["command"][0] == "stocky"
    assert services["stocky-1"]["environment"]["STOCKY_MIGRATE_ON_START"] == "false"
    volumes = compose()["volumes"]
    for name, service in services.items():
        assert ("image" in service) or ("build" in service), name
        if (context := service.get("build", ".")) != ".":
            assert (ROOT / context / "Dockerfile").exists()
        for mounted in service.get("volumes", ()):
            source = mounted.partition(":")[0]
            assert source in volumes or (ROOT / source).is_file(), mounted
        for other in service.get("depends_on", ()):
            assert other in services
    # A standby that allows fewer connections than its primary does not start.
    assert [each for each in services["postgres"]["command"] if each.startswith("max_connections")] == [
        each for each in services["replica"]["command"] if each.startswith("max_connections")
    ]
    published = {port for service in services.values() for port in service.get("ports", ())}
    assert published == {"8000:8000"}


def test_pooler_and_proxy_lead_to_the_services_of_the_compose_file() -> None:
    services = compose()["services"]
    url = services["stocky-1"]["environment"]["STOCKY_DATABASE_URL"]
    ini = (DEPLOY / "compose" / "pooler" / "pgbouncer.ini").read_text("utf-8")
    assert f"listen_port = {re.search(r'@pooler:([0-9]+)/stocky', url)[1]}" in ini  # type: ignore[index]
    assert "pool_mode = transaction" in ini
    assert re.search(r"^stocky = host=postgres port=5432 dbname=stocky$", ini, re.MULTILINE)
    copied = (DEPLOY / "compose" / "pooler" / "Dockerfile").read_text("utf-8")
    for name in re.findall(r"^COPY (\S+)", copied, re.MULTILINE):
        assert (DEPLOY / "compose" / "pooler" / name).exists()
    caddyfile = (DEPLOY / "compose" / "Caddyfile").read_text("utf-8")
    upstreams = re.findall(r"([a-z0-9-]+):(\d+)\b", re.search(r"reverse_proxy (.*) \{", caddyfile)[1])  # type: ignore[index]
    assert upstreams == [(name, "8000") for name in services if name.startswith("stocky-")]
    assert re.search(r"health_uri (\S+)", caddyfile)[1] in _paths()  # type: ignore[index]


@pytest.mark.skipif(
    shutil.which("docker") is None
    or subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode != 0,
    reason="docker compose is not installed",
)
def test_docker_accepts_the_compose_files() -> None:
    for file in (COMPOSE, ROOT / "compose.yaml"):
        command = ["docker", "compose", "--file", file, "config", "--quiet"]
        subprocess.run(command, check=True, env={"PATH": "/usr/local/bin:/usr/bin:/bin", "POSTGRES_PASSWORD": "x"})


def test_image_contains_what_the_dockerfile_copies() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    copied = {
        name.partition("/")[0]
        for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
        for name in line.split()[:-1]
    }
    assert copied <= allowed


@pytest.mark.parametrize("script", ["allow-replication", "start-replica", "pooler/start"])
def test_bash_can_read_the_scripts(script: str) -> None:
    subprocess.run(["bash", "-n", DEPLOY / "compose" / script], check=True)


@pytest.mark.slow
@needs_standby
def test_script_of_the_replica_makes_a_standby_and_starts_it_again(databases: TestDatabases, tmp_path: Path) -> None:
    script = DEPLOY / "compose" / "start-replica"
    with (
        databases.copy("postgres-embedded", tmp_path) as primary,
        psycopg.connect(primary, autocommit=True) as connection,
    ):
        connection.execute("SELECT pg_create_physical_replication_slot('stocky_replica')")
        try:
            with standby_of(primary, script) as standby:
                assert standby.ask("SELECT pg_is_in_recovery()")
                assert standby.ask("SHOW hot_standby_feedback") == "on"
                standby.kill()
                standby.start()
                standby.catch_up()
                (is_active,) = connection.execute("SELECT active FROM pg_replication_slots").fetchone() or (None,)
                assert is_active
        finally:
            connection.execute("SELECT pg_drop_replication_slot('stocky_replica')")


@pytest.mark.slow
@pytest.mark.skipif("caddy" in MISSING_PROXIES, reason=MISSING_PROXIES.get("caddy", ""))
def test_proxy_continues_while_processes_are_replaced(databases: TestDatabases, tmp_path: Path) -> None:
    import httpx

    site = (DEPLOY / "compose" / "Caddyfile").read_text("utf-8")
    certificate, port = make_certificate(tmp_path), free_port()
    origin = f"https://127.0.0.1:{port}"
    site = site.replace(":8000 {\n\treverse", f"{origin} {{\n\ttls {certificate.file} {certificate.key}\n\treverse")
    with databases.copy("postgres-embedded", tmp_path) as url:
        given = settings(url, tmp_path)
        with serve(given, tmp_path) as one, serve(given, tmp_path) as two:
            third = free_port()
            for number, server in enumerate((one.url, two.url, f"http://127.0.0.1:{third}"), start=1):
                site = site.replace(f"stocky-{number}:8000", server.removeprefix("http://"))
            with (
                running("caddy", site, origin, certificate, tmp_path),
                httpx.Client(base_url=origin, verify=certificate.trust, timeout=30) as client,
            ):
                sign_in = {"username": "admin", "password": PASSWORD}
                token = client.post("/api/v1/auth/login-json", json=sign_in).json()["access_token"]
                client.headers["Authorization"] = f"Bearer {token}"

                def write(number: int) -> int:
                    return client.post("/api/v1/items/", json={"name": f"Item {number}"}).status_code

                # The third does not run at all; then the first ends as well.
                assert {write(number) for number in range(10)} == {201}
                one.stop()
                # A write on a connection that was open to it is not tried elsewhere: it may have been carried out.
                answers: list[int] = []
                while answers[-5:] != [201] * 5:
                    assert len(answers) < 50
                    answers.append(write(10 + len(answers)))
                assert set(answers) <= {201, 502}
                assert len(client.get("/api/v1/items/?search=item").json()) == 10 + answers.count(201)


def test_manifests_fit_stocky_and_each_other(tmp_path: Path) -> None:
    _check_workloads(manifests(), tmp_path)
    kinds = {each["kind"] for each in manifests()}
    assert kinds >= {
        "Deployment",
        "Job",
        "Service",
        "Ingress",
        "PodDisruptionBudget",
        "PersistentVolumeClaim",
        "Secret",
    }
    kustomization = next(each for each in manifests() if each["kind"] == "Kustomization")
    for name in kustomization["resources"]:
        assert (DEPLOY / "kubernetes" / name).exists()
    given = set(next(each for each in manifests() if each["kind"] == "Secret")["stringData"])
    assert given == _secret_keys(manifests())


def test_migration_waits_for_the_end_of_the_pods_of_the_deployment() -> None:
    text = (DEPLOY / "kubernetes" / "migrate.yaml").read_text("utf-8")
    commands = re.findall(r"^ +(kubectl .*)$", text.replace("\\\n#", "").replace("#", ""), re.MULTILINE)
    scale, wait = (next(each for each in commands if each.startswith(f"kubectl {verb}")) for verb in ("scale", "wait"))
    assert commands.index(wait) == commands.index(scale) + 1
    assert "--for delete" in wait
    pods = next(each for each in manifests() if each["kind"] == "Deployment")["spec"]["template"]["metadata"]["labels"]
    selected = wait.partition("--selector ")[2].split(",")
    assert dict(each.split("=") for each in selected) == pods


@pytest.mark.skipif(bool(charts.MISSING), reason=charts.MISSING)
def test_manifests_are_valid() -> None:
    for each in manifests():
        if each["kind"] != "Kustomization":
            _validate(each)


def test_values_of_the_chart_are_those_of_its_schema() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    schema = msgspec.json.decode((CHART / "values.schema.json").read_bytes())
    assert _keys(values, schema) == []
    used = set(re.findall(r"\.Values\.(\w+)", "".join(f.read_text("utf-8") for f in (CHART / "templates").iterdir())))
    assert used == set(values)
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert chart["appVersion"] == __version__


@pytest.mark.skipif(bool(charts.MISSING), reason=charts.MISSING)
@pytest.mark.parametrize(
    "values",
    [
        {},
        {
            "ingress": {"enabled": True, "className": "nginx", "tlsSecret": "stocky-tls"},
            "settings": {"STOCKY_TIMEZONE": "Europe/Berlin", "STOCKY_MAX_UPLOAD_MB": 1000000},
            "image": {"repository": "registry.example.org/stocky", "tag": "1", "pullSecrets": ["registry"]},
            "nodeSelector": {"kubernetes.io/arch": "amd64"},
            "tolerations": [{"key": "stock", "operator": "Exists"}],
            "podAnnotations": {"prometheus.io/scrape": "true"},
            "data": {"existingClaim": "claim"},
        },
        {"replicas": 1, "data": {"storageClass": "fast", "accessMode": "ReadWriteOnce"}},
    ],
)
def test_helm_accepts_the_chart_and_renders_what_is_valid(values: Document, tmp_path: Path) -> None:
    rendered = _render(values)
    _check_workloads(rendered, tmp_path)
    kinds = [each["kind"] for each in rendered]
    assert ("Ingress" in kinds) is bool(values.get("ingress"))
    assert ("PersistentVolumeClaim" in kinds) is ("existingClaim" not in values.get("data", {}))
    assert ("PodDisruptionBudget" in kinds) is ("replicas" not in values)
    for each in rendered:
        _validate(each)


def _render(values: Document) -> list[Document]:
    """What Helm makes of the chart, after it has linted it."""
    import helm_python
    from helm_python.chart import lint

    found = lint(CHART, values, strict=True, kube_version=f"v{KUBERNETES}.0")
    # An icon is only recommended, which is information.
    assert [each for each in found["messages"] if each["severity"] > 1] == []
    assert not found["errors"]
    with helm_python.Chart.load(CHART) as chart:
        chart.validate_schema(values)
        rendered = chart.render(values, name="home", namespace="stock")
    return [each for name, text in rendered.items() if not name.endswith(".txt") for each in documents(text)]


@pytest.mark.skipif(bool(charts.MISSING), reason=charts.MISSING)
@pytest.mark.parametrize("values", [{"replica": 2}, {"settings": {"TIMEZONE": "UTC"}}, {"existingSecret": ""}])
def test_helm_refuses_values_that_the_chart_does_not_have(values: Document) -> None:
    from helm_python.chart import lint

    assert lint(CHART, values, strict=True)["errors"]


def _check_workloads(found: list[Document], directory: Path) -> None:
    """Checks pods against Stocky and its image, and what refers to them."""
    claims = {each["metadata"]["name"] for each in found if each["kind"] == "PersistentVolumeClaim"} | {"claim"}
    deployment = next(each for each in found if each["kind"] == "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    for each in found:
        if each["kind"] == "Service":
            assert each["spec"]["selector"].items() <= labels.items()
            assert each["spec"]["ports"][0]["targetPort"] == "http"
        if each["kind"] in ("Deployment", "PodDisruptionBudget"):
            assert each["spec"]["selector"]["matchLabels"].items() <= labels.items()
        if each["kind"] == "Ingress":
            backend = each["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
            service = next(service for service in found if service["kind"] == "Service")
            assert backend == {"name": service["metadata"]["name"], "port": {"name": "http"}}
        if each["kind"] not in ("Deployment", "Job"):
            continue
        pod = each["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        user = re.search(r"--uid ([0-9]+)", DOCKERFILE)
        assert user is not None
        assert pod["securityContext"]["runAsUser"] == int(user[1])
        data = next(mount for mount in container["volumeMounts"] if mount["name"] == "data")
        assert f"STOCKY_DATA_DIR={data['mountPath']} " in f"{DOCKERFILE.replace(chr(10), ' ')} "
        assert pod["volumes"][0]["persistentVolumeClaim"]["claimName"] in claims
        # The Secret of all settings that are secret need not exist.
        assert container["envFrom"] == [{"secretRef": {"name": "stocky-settings", "optional": True}}]
        _check_settings({env["name"]: env.get("value") for env in container["env"]}, directory)
        for port in container.get("ports", ()):
            assert f"EXPOSE {port['containerPort']}\n" in DOCKERFILE
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            if each["kind"] == "Deployment":
                assert container[probe]["httpGet"]["path"] in _paths()
                assert container[probe]["httpGet"]["port"] == "http"
        assert _secret_keys([each]) <= {"database-url", "database-direct-url", "database-read-url", "secret-key"}


def _check_settings(environment: dict[str, str | None], directory: Path) -> None:
    """Checks that each is a setting, and that its value is one; None stands for one from a Secret."""
    from_secret = {
        "STOCKY_DATABASE_URL": "postgresql://stocky:secret@pooler:6432/stocky",
        "STOCKY_DATABASE_DIRECT_URL": "postgresql://stocky:secret@postgres/stocky",
        "STOCKY_DATABASE_READ_URL": "postgresql://stocky:secret@replica/stocky",
        "STOCKY_SECRET_KEY": "a key of at least thirty-two characters",
    }
    given = {name: from_secret[name] if value is None else value for name, value in environment.items()}
    config = load(given | {"STOCKY_DATA_DIR": str(directory)})
    assert config.unknown == ()
    assert config.dialect == "postgres"


def _secret_keys(found: list[Document]) -> set[str]:
    """The keys that containers take from the Secret."""
    text = msgspec.json.encode(found).decode()
    references = re.findall(r'"secretKeyRef":(\{[^}]*\})', text)
    assert all(msgspec.json.decode(each)["name"] == SECRET for each in references)
    return {msgspec.json.decode(each)["key"] for each in references}


@cache
def _paths() -> set[str]:
    return {route.path for route in make_routes().routes}


def _keys(values: Document, schema: Document, place: str = "") -> list[str]:
    """The values that the schema does not know."""
    unknown = []
    for name, value in values.items():
        known = schema.get("properties", {}).get(name)
        if known is None:
            unknown.append(f"{place}{name}")
        elif isinstance(value, dict) and "properties" in known:
            unknown += _keys(value, known, f"{place}{name}.")
    return unknown


def _validate(document: Document) -> None:
    import kubernetes_validate

    kubernetes_validate.validate(document, KUBERNETES, strict=True)
