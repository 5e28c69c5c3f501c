"""Readers and writers that open outside Python, and what is no file: databases and URLs, without credentials."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from mlcli.observation.events import Digested, Opened, Reached, Trouble


def opened(done) -> list[tuple[str, str, str]]:
    return [(os.path.relpath(event.p), event.m, event.via) for event in done.told(Opened)]


def test_sqlite(watched):
    done = watched(
        """
        import sqlite3
        for name in ("new.db", ":memory:"):
            connection = sqlite3.connect(name)
            connection.execute("create table t (a)"); connection.commit(); connection.close()
        """
    )
    assert [(name, via) for name, _, via in opened(done)] == [("new.db", "sqlite3.connect")]


def test_requests_are_told_without_query_and_credentials(watched):
    done = watched(
        """
        import threading, http.server, urllib.request, http.client
        connection = http.client.HTTPConnection("data.example.invalid")
        for _ in range(2):
            try: connection.request("GET", "/train.csv?token=hunter2hunter2")
            except OSError: pass
        try: urllib.request.urlopen("http://ada:hunter2hunter2@data.example.invalid:81/x")
        except Exception: pass
        """
    )
    assert [(event.u, event.m) for event in done.told(Reached)][:1] == [
        ("http://data.example.invalid/train.csv", "GET")
    ]
    assert "hunter2" not in repr(done.all())


def test_pandas(watched):
    pytest.importorskip("pandas")
    Path("x.csv").write_text("a,b\n1,2\n")
    done = watched("import pandas as pd\npd.read_csv('x.csv').to_csv('y.csv')\npd.read_json('[1]') if 0 else None")
    assert (done.code, done.told(Trouble)) == (0, [])
    assert opened(done) == [("x.csv", "r", ""), ("y.csv", "w", "")]


def test_pyarrow(watched):
    pytest.importorskip("pyarrow")
    done = watched(
        """
        import pyarrow as pa, pyarrow.csv, pyarrow.dataset as ds, pyarrow.feather, pyarrow.parquet as pq
        table = pa.table({"a": [1, 2], "b": ["x", "y"]})
        pq.write_table(table, "t.parquet"); pq.write_to_dataset(table, "set", partition_cols=["b"])
        pyarrow.csv.write_csv(table, "t.csv"); pyarrow.feather.write_feather(table, "t.feather")
        """
    )
    assert (done.code, done.told(Trouble)) == (0, [])
    written = {name.split("/")[0] for name, mode, _ in opened(done) if mode == "w"}
    assert written == {"t.parquet", "set", "t.csv", "t.feather"}
    digest = hashlib.sha256(Path("t.parquet").read_bytes()).hexdigest()
    done = watched(
        """
        import pyarrow as pa, pyarrow.csv, pyarrow.dataset as ds, pyarrow.feather, pyarrow.parquet as pq
        table = pq.read_table("t.parquet"); ds.dataset("set", partitioning="hive").to_table()
        pyarrow.csv.read_csv("t.csv"); pyarrow.feather.read_table("t.feather"); pa.memory_map("t.feather")
        pq.write_table(table, "t.parquet")
        """
    )
    assert (done.code, done.told(Trouble)) == (0, [])
    read = {name.split("/")[0] for name, mode, _ in opened(done) if mode == "r"}
    assert read == {"t.parquet", "set", "t.csv", "t.feather"}
    assert [event.h for event in done.told(Digested)] == [digest]


def test_polars_and_duckdb(watched):
    pytest.importorskip("polars")
    pytest.importorskip("duckdb")
    for name in ("a.csv", "b.csv", "c.csv", "d.csv"):
        Path(name).write_text("x,y\n1,2\n")
    done = watched(
        """
        import polars as pl, duckdb
        pl.read_csv("a.csv").write_parquet("out.parquet"); pl.scan_csv("b*.csv").collect()
        duckdb.sql("select * from 'c.csv'").fetchall(); duckdb.read_csv("d.csv")
        def total():
            frame = pl.DataFrame({"a": [1, 2]})
            connection = duckdb.connect()
            connection.execute("copy (select 1) to 'more.csv'")
            return duckdb.sql("select sum(a) from frame").fetchall(), connection.sql("select sum(a) from frame").fetchall()
        print(total())
        duckdb.sql("copy (select 'no.file.here' as z) to 'out.csv'")
        """
    )
    assert (done.code, done.told(Trouble)) == (0, [])
    assert done.out == "([(3,)], [(3,)])\n"
    assert {(name, mode) for name, mode, _ in opened(done)} == {
        ("a.csv", "r"), ("b.csv", "r"), ("c.csv", "r"), ("d.csv", "r"), ("out.parquet", "w"), ("out.csv", "w"), ("more.csv", "w"),
    }  # fmt: skip


def test_databases_are_told_without_credentials(watched):
    pytest.importorskip("sqlalchemy")
    Path("psycopg2.py").write_text("def connect(dsn=None, **named): pass\n")
    Path("pymysql.py").write_text("paramstyle = 'pyformat'\nVERSION = (1, 4, 6)\n")
    done = watched(
        """
        import psycopg2, pymysql
        from sqlalchemy import create_engine
        psycopg2.connect("host=db.example port=5433 dbname=sales user=ada password=hunter2hunter2")
        psycopg2.connect(host="db.example", database="other", user="ada", password="hunter2hunter2")
        create_engine("mysql+pymysql://ada:hunter2hunter2@db.example/third?x=hunter2", module=pymysql)
        """
    )
    assert [event.u for event in done.told(Reached)] == [
        "postgresql://db.example:5433/sales",
        "postgresql://db.example/other",
        "mysql+pymysql://db.example/third",
    ]
    assert "hunter2" not in repr(done.all())
