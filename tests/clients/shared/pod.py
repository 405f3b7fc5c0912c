"""What a kubelet makes of a pod's manifest and of a Secret: environment variables, and files."""

from pathlib import Path

import yaml


def secret(manifest):
    """The keys of a Secret that a standalone provider wrote."""
    return dict(yaml.safe_load(Path(manifest).read_text())["stringData"])


def environment(container, secrets):
    """`envFrom` and `env`, whose entries stand in a list or, as in some charts, under their names."""
    env = {}
    for source in container.get("envFrom", []):
        env |= secrets[source["secretRef"]["name"]]
    entries = container.get("env", [])
    if isinstance(entries, dict):
        entries = [{"name": name, **(entry if isinstance(entry, dict) else {"value": entry})} for name, entry in entries.items()]
    for entry in entries:
        key = entry.get("valueFrom", {}).get("secretKeyRef")
        env[entry["name"]] = secrets[key["name"]][key["key"]] if key else entry["value"]
    return env


def mount(pod, container, secrets, root):
    """Writes the volumes of Secrets below the folder root; what the manifest's paths are on this machine."""
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    places = {}
    for entry in container["volumeMounts"]:
        folder = Path(str(root) + entry["mountPath"])
        folder.mkdir(parents=True, exist_ok=True)
        places[entry["mountPath"]] = str(folder)
        source = volumes[entry["name"]].get("secret")
        if source:
            data = secrets[source["secretName"]]
            items = source.get("items") or [{"key": key, "path": key} for key in data]
            for item in items:
                (folder / item["path"]).write_text(data[item["key"]])
    return places


def placed(value, places):
    """A text, or all texts in a structure, with the paths of this machine."""
    if isinstance(value, dict):
        return {key: placed(member, places) for key, member in value.items()}
    if isinstance(value, list):
        return [placed(member, places) for member in value]
    if isinstance(value, str):
        for path, place in places.items():
            value = value.replace(path, place)
    return value
