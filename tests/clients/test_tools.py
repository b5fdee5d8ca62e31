"""s3cmd, rclone and restic from Debian, unmodified, with their default settings."""
import os

from harness import ACCESS, SECRET, run


def tree(folder):
    for i, name in enumerate(["a.txt", "b c.txt", "plus+.bin", "文件.jpg", "d/e/f.bin", "zero"]):
        path = folder / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"" if name == "zero" else os.urandom(5000 * (i + 1)))
    return folder / "tree"


def same(a, b):
    files = sorted(p.relative_to(a) for p in a.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(b) for p in b.rglob("*") if p.is_file())
    for f in files:
        assert (a / f).read_bytes() == (b / f).read_bytes(), f


def test_s3cmd(daemon, folder):
    host = daemon.s3.removeprefix("http://")
    s3cmd = ["s3cmd", "--access_key", ACCESS, "--secret_key", SECRET, "--host", host, "--host-bucket", host, "--no-ssl"]
    env = daemon.env()
    source = tree(folder)
    (source / "big").write_bytes(os.urandom(20 << 20))  # multipart: above its 15 MB part
    run([*s3cmd, "mb", "s3://cmd"], env)
    run([*s3cmd, "sync", f"{source}/", "s3://cmd/t/"], env)
    (folder / "back").mkdir()
    run([*s3cmd, "sync", "s3://cmd/t/", f"{folder}/back/"], env)
    same(source, folder / "back")
    run([*s3cmd, "cp", "s3://cmd/t/a.txt", "s3://cmd/t/a2.txt"], env)
    run([*s3cmd, "mv", "s3://cmd/t/a2.txt", "s3://cmd/t/a3.txt"], env)
    assert b"a3.txt" in run([*s3cmd, "ls", "s3://cmd/t/"], env).stdout
    run([*s3cmd, "del", "--recursive", "--force", "s3://cmd"], env)
    run([*s3cmd, "rb", "s3://cmd"], env)


def rclone_env(daemon):
    return {**daemon.env(), "RCLONE_CONFIG_HF_TYPE": "s3", "RCLONE_CONFIG_HF_PROVIDER": "Other", "RCLONE_CONFIG_HF_ENDPOINT": daemon.s3,
            "RCLONE_CONFIG_HF_ACCESS_KEY_ID": ACCESS, "RCLONE_CONFIG_HF_SECRET_ACCESS_KEY": SECRET}


def test_rclone(daemon, folder):
    env = rclone_env(daemon)
    source = tree(folder)
    (source / "big").write_bytes(os.urandom(24 << 20))
    run(["rclone", "mkdir", "hf:rclone"], env)
    run(["rclone", "sync", source, "hf:rclone/t"], env)
    run(["rclone", "check", "--download", source, "hf:rclone/t"], env)
    run(["rclone", "sync", "hf:rclone/t", folder / "back"], env)
    same(source, folder / "back")
    (source / "a.txt").write_text("changed")
    (source / "zero").unlink()
    run(["rclone", "sync", source, "hf:rclone/t"], env)
    run(["rclone", "check", source, "hf:rclone/t"], env)
    run(["rclone", "moveto", "hf:rclone/t/big", "hf:rclone/t/bigger"], env)
    run(["rclone", "purge", "hf:rclone"], env)


def test_restic_repository_reads_back_whole(daemon, folder):
    env = {**daemon.env(), "RESTIC_PASSWORD": "pw", "RESTIC_REPOSITORY": f"s3:{daemon.s3}/restic", "RESTIC_CACHE_DIR": str(folder / "cache")}
    source = tree(folder)
    (source / "big").write_bytes(os.urandom(30 << 20))
    run(["restic", "init"], env)
    run(["restic", "backup", source], env)
    (source / "a.txt").write_text("second")
    run(["restic", "backup", source], env)
    run(["restic", "check", "--read-data"], env)
    run(["restic", "restore", "latest", "--target", folder / "back"], env)
    same(source, folder / "back" / str(source).lstrip("/"))
    run(["restic", "forget", "--keep-last", "1", "--prune"], env)
    run(["restic", "check", "--read-data"], env)
