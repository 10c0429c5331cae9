# Other libraries on one data set, one at a time, on one thread. Reads a JSON command a line, answers a JSON line.
import json
import os
import sys
import time

import numpy as np

k = 10


def anonymous_bytes():
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("RssAnon"):
                return int(line.split()[1]) * 1024
    return 0


class Hnswlib:
    def build(self, x):
        import hnswlib
        self.index = hnswlib.Index("ip", x.shape[1])
        self.index.init_index(len(x), M=16, ef_construction=200, random_seed=1)
        self.index.set_num_threads(1)
        self.index.add_items(x, num_threads=1)

    def search(self, q, ef):
        self.index.set_ef(max(ef, k))
        return self.index.knn_query(q, k, num_threads=1)[0]


class Faiss:
    def __init__(self, codes):
        self.codes = codes

    def build(self, x):
        import faiss
        faiss.omp_set_num_threads(1)
        ip = faiss.METRIC_INNER_PRODUCT
        if self.codes == "flat":
            self.index = faiss.IndexHNSWFlat(x.shape[1], 16, ip)
        else:
            self.index = faiss.IndexHNSWSQ(x.shape[1], faiss.ScalarQuantizer.QT_8bit, 16, ip)
        self.index.hnsw.efConstruction = 200
        self.index.train(x)
        self.index.add(x)

    def search(self, q, ef):
        self.index.hnsw.efSearch = ef
        return self.index.search(q, k)[1]


class Usearch:
    def __init__(self, dtype):
        self.dtype = dtype

    def build(self, x):
        from usearch.index import Index
        options = dict(metric="ip", connectivity=16, expansion_add=200)
        self.index = Index(ndim=x.shape[1], dtype=self.dtype, **options)
        self.index.add(np.arange(len(x)), x, threads=1)

    def search(self, q, ef):
        self.index.expansion_search = ef
        return self.index.search(q, k, threads=1).keys


class Svs:
    def build(self, x):
        import svs
        settings = svs.VamanaBuildParameters(graph_max_degree=32, window_size=200, alpha=1.2)
        self.index = svs.Vamana.build(settings, x, svs.DistanceType.L2, num_threads=1)

    def search(self, q, ef):
        self.index.search_window_size = max(ef, k)
        return self.index.search(q, k)[0]


peers = {
    "hnswlib": Hnswlib(),
    "faissFlat": Faiss("flat"),
    "faissSq8": Faiss("sq8"),
    "usearch": Usearch("f32"),
    "usearchI8": Usearch("i8"),
    "svs": Svs(),
}


def timed(work):
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, {"cpuS": time.process_time() - cpu, "wallS": time.perf_counter() - wall}


def exact(x, q):
    found = [np.argsort(-(q[i : i + 100] @ x.T), axis=1)[:, :k] for i in range(0, len(q), 100)]
    return np.concatenate(found).astype(np.uint32)


def recall(found, truth):
    return float(np.mean([len(set(a) & set(b)) for a, b in zip(found.tolist(), truth.tolist())])) / k


def versions():
    from importlib.metadata import version
    return {name: version(name) for name in ["hnswlib", "faiss-cpu", "usearch", "scalable-vs", "numpy"]}


def main():
    # Only answers go to the standard output: libraries print there as well.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    x = q = truth = None
    for line in sys.stdin:
        command = json.loads(line)
        name = command["do"]
        answer = {}
        try:
            if name == "load":
                x = np.fromfile(command["base"], np.float32).reshape(-1, command["dim"])
                q = np.fromfile(command["queries"], np.float32).reshape(-1, command["dim"])
                truth = exact(x, q)
                truth.tofile(command["truth"])
                answer = {"versions": versions()}
            elif name == "build":
                before = anonymous_bytes()
                _, answer = timed(lambda: peers[command["peer"]].build(x))
                answer["bytes"] = anonymous_bytes() - before
            elif name == "search":
                found, answer = timed(lambda: peers[command["peer"]].search(q, command["ef"]))
                answer["recall"] = recall(np.asarray(found), truth)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


main()
