"""Which functions of which modules read, write and save files, and by which of their arguments."""

# Function or Class.method, index of the argument, its name, and r, w, rw or the index of the argument that says it.
READERS = {
    "sqlite3.dbapi2": (("connect", 0, "database", "rw"),),
    "pyarrow": (("memory_map", 0, "path", 1), ("OSFile", 0, "path", 1)),
    "pyarrow.parquet.core": (
        ("read_table", 0, "source", "r"),
        ("ParquetFile.__init__", 1, "source", "r"),
        ("ParquetDataset.__init__", 1, "path_or_paths", "r"),
        ("write_table", 1, "where", "w"),
        ("ParquetWriter.__init__", 1, "where", "w"),
    ),
    "pyarrow.csv": (
        ("read_csv", 0, "input_file", "r"),
        ("open_csv", 0, "input_file", "r"),
        ("write_csv", 1, "output_file", "w"),
    ),
    "pyarrow.json": (("read_json", 0, "input_file", "r"), ("open_json", 0, "input_file", "r")),
    "pyarrow.dataset": (("dataset", 0, "source", "r"), ("write_dataset", 1, "base_dir", "w")),
    "pyarrow.feather": (
        ("read_table", 0, "source", "r"),
        ("read_feather", 0, "source", "r"),
        ("write_feather", 1, "dest", "w"),
    ),
    "pyarrow.orc": (
        ("read_table", 0, "source", "r"),
        ("ORCFile.__init__", 1, "source", "r"),
        ("write_table", 1, "where", "w"),
    ),
    "pyarrow.ipc": (
        ("open_file", 0, "source", "r"),
        ("open_stream", 0, "source", "r"),
        ("new_file", 0, "sink", "w"),
        ("new_stream", 0, "sink", "w"),
    ),
    "duckdb": tuple(
        (name, 0, argument, "r")
        for name, argument in (
            ("read_csv", "path_or_buffer"),
            ("from_csv_auto", "path_or_buffer"),
            ("read_json", "path_or_buffer"),
            ("read_parquet", "file_glob"),
            ("from_parquet", "file_glob"),
        )
    )
    + (("connect", 0, "database", "rw"),),
    "polars": tuple(
        (action + name, 0, "source", "r")
        for name in ("csv", "parquet", "ipc", "ipc_stream", "ndjson", "json", "excel", "avro", "delta", "ods")
        for action in ("read_", "scan_")
    )
    + tuple(
        ("DataFrame.write_" + name, 1, argument, "w")
        for name, argument in (
            ("csv", "file"),
            ("parquet", "file"),
            ("ipc", "file"),
            ("ipc_stream", "file"),
            ("ndjson", "file"),
            ("json", "file"),
            ("avro", "file"),
            ("excel", "workbook"),
            ("delta", "target"),
        )
    )
    + tuple(("LazyFrame.sink_" + name, 1, "path", "w") for name in ("csv", "parquet", "ipc", "ndjson")),
    "h5py._hl.files": (("File.__init__", 1, "name", 2),),
    "xgboost.core": (
        ("DMatrix.__init__", 1, "data", "r"),
        ("Booster.load_model", 1, "fname", "r"),
        ("Booster.save_model", 1, "fname", "w"),
        ("Booster.dump_model", 1, "fout", "w"),
    ),
    "lightgbm.basic": (
        ("Dataset.__init__", 1, "data", "r"),
        ("Dataset.save_binary", 1, "filename", "w"),
        ("Booster.save_model", 1, "filename", "w"),
    ),
    "catboost.core": (
        ("Pool.__init__", 1, "data", "r"),
        ("CatBoost.load_model", 1, "fname", "r"),
        ("CatBoost.save_model", 1, "fname", "w"),
    ),
    "cv2": (
        ("imread", 0, "filename", "r"),
        ("imreadmulti", 0, "filename", "r"),
        ("imwrite", 0, "filename", "w"),
    ),
    "safetensors": (("safe_open", 0, "filename", "r"), ("serialize_file", 1, "filename", "w")),
    "safetensors.numpy": (("load_file", 0, "filename", "r"), ("save_file", 1, "filename", "w")),
    "safetensors.torch": (("load_file", 0, "filename", "r"), ("save_file", 1, "filename", "w")),
    "torch.serialization": (("save", 1, "f", "w"), ("load", 0, "f", "r")),
    "torchvision.io": (("read_image", 0, "path", "r"), ("read_file", 0, "path", "r")),
    "torchvision.io.image": (("read_image", 0, "path", "r"), ("read_file", 0, "path", "r")),
    "torchaudio": (("load", 0, "uri", "r"), ("save", 0, "uri", "w")),
    "soundfile": (("SoundFile.__init__", 1, "file", 2),),
    "netCDF4": (("Dataset", 0, "filename", 1),),
    "lmdb": (("open", 0, "path", "rw"),),
    "psycopg": (("connect", 0, "conninfo", "database"),),
    "psycopg2": (("connect", 0, "dsn", "database"),),
    "sqlalchemy.engine.create": (("create_engine", 0, "url", "database"),),
}

# Module, function or Class.method: which argument is the object and which the file.
DUMPS = {
    "joblib.numpy_pickle": (("dump", 0, 1),),
    "pickle": (("dump", 0, 1),),
    "dill._dill": (("dump", 0, 1),),
    "cloudpickle.cloudpickle": (("dump", 0, 1),),
    "skops.io._persist": (("dump", 0, 1),),
    "torch.serialization": (("save", 0, 1),),
    "xgboost.core": (("Booster.save_model", 0, 1),),
    "xgboost.sklearn": (("XGBModel.save_model", 0, 1),),
    "lightgbm.basic": (("Booster.save_model", 0, 1),),
    "catboost.core": (("CatBoost.save_model", 0, 1),),
}
