"""What a broker needs to be asked for TLS and SASL: a certificate for this machine, users, listeners."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from services.kafka_jars import java

USER = "worker"
PASSWORD = "open-sesame-4711"
STORE_PASSWORD = "certificates"
SCRAM = ("SCRAM-SHA-256", "SCRAM-SHA-512")


@dataclass(frozen=True)
class Certificate:
    """Of 127.0.0.1 and localhost, signed by itself."""

    store: Path
    """For the broker (PKCS 12)."""
    ca_file: Path
    """For the clients (PEM)."""


def certificate(folder: Path) -> Certificate:
    keytool = str(Path(java()).resolve().with_name("keytool"))
    made = Certificate(folder / "broker.p12", folder / "ca.pem")
    if not made.ca_file.exists():
        of_store = ["-keystore", str(made.store), "-storepass", STORE_PASSWORD, "-alias", "broker"]
        _run([keytool, "-genkeypair", *of_store, "-storetype", "PKCS12", "-keyalg", "EC", "-dname", "CN=localhost",
              "-validity", "30", "-ext", "san=dns:localhost,ip:127.0.0.1", "-ext", "bc:c=ca:true"])  # fmt: skip
        _run([keytool, "-exportcert", *of_store, "-rfc", "-file", str(made.ca_file)])
    return made


def scram_arguments() -> list[str]:
    """Return what tells the formatter of the storage about the user of both SCRAM mechanisms."""
    return [word for name in SCRAM for word in ("--add-scram", f"{name}=[name={USER},password={PASSWORD}]")]


def properties(made: Certificate) -> list[str]:
    """Return the broker's settings for listeners named SASL, TLS and BOTH."""
    security = "org.apache.kafka.common.security"
    plain = f'{security}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
    scram = f"{security}.scram.ScramLoginModule required;"
    # Kafka's own validator for tests: it checks the claims and the times of a token, not a signature.
    oauth = f"{security}.oauthbearer.OAuthBearerLoginModule required;"
    lines = [
        f"ssl.keystore.location={made.store}",
        f"ssl.keystore.password={STORE_PASSWORD}",
        "ssl.keystore.type=PKCS12",
        f"sasl.enabled.mechanisms=PLAIN,OAUTHBEARER,{','.join(SCRAM)}",
    ]
    for listener in ("sasl", "both"):
        of = f"listener.name.{listener}"
        lines += [f"{of}.{name.lower()}.sasl.jaas.config={scram}" for name in SCRAM]
        lines += [f"{of}.plain.sasl.jaas.config={plain}", f"{of}.oauthbearer.sasl.jaas.config={oauth}"]
    return lines


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:2])} failed: {done.stdout}{done.stderr}")
