// Repositories after ten years, made without their data: one of 10^7 chunks in fragments as folding leaves
// them, one of 10^5 restore points of 100 sources. How long it takes to open, to look a chunk up, and to list
// the points.
#include <benchmark/benchmark.h>

#include <thread>

#include "base/clock.h"
#include "generator.h"
#include "repository/leases.h"
#include "repository/repository.h"
#include "storage/local/local_storage.h"
#include "support/hooked_storage.h"
#include "support/temporary_directory.h"

namespace holdfast {
namespace {

constexpr std::size_t chunk_count = 10'000'000, fragment_chunks = 1u << 18, pack_chunks = 128;
constexpr std::size_t point_count = 100'000, source_count = 100, folded_points = 4096;

struct OldRepository {
    TemporaryDirectory directory;
    Unlock unlock;
    std::vector<ChunkId> some_ids;

    OldRepository(std::size_t chunks, std::size_t points) {
        auto storage = must(LocalStorage::open(path(), OpenMode::create));
        unlock.key_file = must(Repository::init(*storage, nullptr, std::nullopt,
                                                Repository::keep_nothing, system_clock(),
                                                system_random()))
                              .key_file;
        const auto repository = open();
        Lease lease = must(Lease::take(*repository, this_process("host")));
        for (std::size_t done = 0; done < chunks; done += fragment_chunks)
            must(repository->store_fragment(
                fragment(std::min(fragment_chunks, chunks - done)), lease));
        for (std::size_t done = 0; done < points; done += folded_points)
            must(repository->store_fragment(
                folded(*repository, done, std::min(folded_points, points - done)), lease));
        lease.give_back();
    }

    std::unique_ptr<Repository> open() {
        return must(Repository::open(must(LocalStorage::open(path(), OpenMode::existing)), unlock,
                                     directory.path() + "/cache", system_clock(), system_random()));
    }

    std::unique_ptr<Repository> open_cold(StorageHook hook) {
        auto storage = std::make_unique<HookedStorage>(must(LocalStorage::open(path(), OpenMode::existing)),
                                                       std::move(hook));
        return must(Repository::open(std::move(storage), unlock, "", system_clock(), system_random()));
    }

    template <typename T>
    static T must(Result<T> result) {
        HF_CHECK(result.ok());
        return std::move(result).value();
    }

  private:
    std::string path() const { return directory.path() + "/repository"; }

    IndexFragmentRecord fragment(std::size_t chunks) {
        IndexFragmentRecord record;
        record.tier = 4;
        record.containers.resize((chunks + pack_chunks - 1) / pack_chunks);
        for (Container& pack : record.containers) {
            pack.header.kind = ObjectKind::data_pack;
            pack.header.key_mode = KeyMode::symmetric;
            pack.header.key_block.resize(32);
            pack.header.object = generator_.id<ObjectId>();
            pack.object_bytes = 1u << 26;
        }
        record.chunks.resize(chunks);
        for (std::size_t i = 0; i < chunks; ++i) {
            ChunkLocation& chunk = record.chunks[i];
            chunk.id = generator_.id<ChunkId>();
            chunk.container = static_cast<std::uint32_t>(i / pack_chunks);
            chunk.offset = 64 + (i % pack_chunks << 18);
            chunk.raw_bytes = 1u << 19;
            chunk.frame_bytes = {1u << 18};
            if (i % 512 == 0) some_ids.push_back(chunk.id);
        }
        sort_chunks(record.chunks);
        return record;
    }

    IndexFragmentRecord folded(Repository& repository, std::size_t first, std::size_t count) {
        IndexFragmentRecord record;
        record.tier = 3;
        for (std::size_t i = first; i < first + count; ++i) {
            RestorePointRecord point;
            point.host = "host" + std::to_string(i % source_count);
            point.name = point.source = "/home";
            point.started = point.walked = point.finished =
                static_cast<TimeNs>(1'500'000'000 + i * 3600) * ns_per_second;
            point.root.metadata.type = EntryType::directory;
            point.root.content = DirectoryTree{generator_.id<ChunkId>()};
            const ObjectKey key = repository.keyring().new_object(ObjectKind::restore_point,
                                                                  repository.random());
            const PointName name{repository.keyring().source_id(point.host, point.name),
                                 inverted_time_of(point.started), key.header.object};
            const Bytes root = encode_restore_point(point);
            const Bytes object = encode_record_object(key, root);
            HF_CHECK(repository.storage().put(point_name(name), object, Durability::deferred).ok());
            record.points.push_back(
                {name.source, name.inverted_time, name.id, object.size(), root});
        }
        return record;
    }

    Generator generator_{11};
};

OldRepository& of_many_chunks() {
    static OldRepository made(chunk_count, 0);
    return made;
}

OldRepository& of_many_points() {
    static OldRepository made(0, point_count);
    return made;
}

void bm_open(benchmark::State& state) {
    OldRepository& repository = of_many_chunks();
    for (auto _ : state) benchmark::DoNotOptimize(OldRepository::must(repository.open()->index()));
}
BENCHMARK(bm_open)->Unit(benchmark::kMillisecond);

void bm_look_up(benchmark::State& state) {
    const auto repository = of_many_chunks().open();
    const Index& index = *OldRepository::must(repository->index());
    Generator generator(12);
    std::vector<ChunkId> ids(1 << 16);
    for (ChunkId& id : ids)
        id = state.range(0) != 0 ? of_many_chunks().some_ids[generator.next() % of_many_chunks().some_ids.size()]
                                 : generator.id<ChunkId>();
    std::size_t next = 0;
    for (auto _ : state) benchmark::DoNotOptimize(index.contains(ids[next++ % ids.size()]));
}
BENCHMARK(bm_look_up)->ArgName("present")->Arg(1)->Arg(0);

void bm_list_points(benchmark::State& state) {
    OldRepository& repository = of_many_points();
    for (auto _ : state)
        HF_CHECK(OldRepository::must(repository.open()->points(std::nullopt)).size() == point_count);
}
BENCHMARK(bm_list_points)->Unit(benchmark::kMillisecond);

// Nothing is cached, each request takes 30 ms, and a listing has 1,000 names a request.
void bm_list_points_cold_and_far(benchmark::State& state) {
    OldRepository& repository = of_many_points();
    std::size_t requests = 0;
    for (auto _ : state) {
        requests = 0;
        const auto opened = repository.open_cold([&](std::string_view operation, const std::string& name) {
            const bool is_long = operation == "list" && name == "points/";
            const std::size_t pages = is_long ? point_count / 1000 : 1;
            requests += pages;
            std::this_thread::sleep_for(std::chrono::milliseconds(30) * pages);
            return ok_status();
        });
        HF_CHECK(OldRepository::must(opened->points(std::nullopt)).size() == point_count);
    }
    state.counters["requests"] = static_cast<double>(requests);
}
BENCHMARK(bm_list_points_cold_and_far)->Unit(benchmark::kMillisecond)->UseRealTime()->Iterations(3);

}  // namespace
}  // namespace holdfast

BENCHMARK_MAIN();
