// Walk of a tree of 20,000 empty files in 1,000 directories, page cache and dentries warm.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "source/files/files_source.h"

namespace holdfast {
namespace {

constexpr int directory_count = 1000, files_each = 20;

// Removed when the program ends.
class GeneratedTree {
  public:
    GeneratedTree() {
        std::string pattern = (std::filesystem::temp_directory_path() / "holdfast-walk-XXXXXX");
        HF_CHECK(::mkdtemp(pattern.data()) != nullptr);
        root_ = pattern;
        for (int d = 0; d < directory_count; ++d) {
            const auto directory = root_ / ("group_" + std::to_string(d % 10)) / std::to_string(d);
            std::filesystem::create_directories(directory);
            for (int f = 0; f < files_each; ++f)
                std::ofstream(directory / ("file_name_of_usual_length_" + std::to_string(f)));
        }
    }
    ~GeneratedTree() {
        std::error_code ignored;
        std::filesystem::remove_all(root_, ignored);
    }
    GeneratedTree(const GeneratedTree&) = delete;
    GeneratedTree& operator=(const GeneratedTree&) = delete;

    std::string root() const { return root_.string(); }

  private:
    std::filesystem::path root_;
};

Result<std::size_t> walk_all(Source& source) {
    HF_TRY(const auto stream, source.walk());
    std::vector<SourceEvent> batch;
    std::size_t events = 0;
    do {
        batch.clear();
        HF_TRY_STATUS(stream->next(batch));
        events += batch.size();
    } while (!batch.empty());
    return events;
}

void walk(benchmark::State& state, FilesOptions options) {
    static const GeneratedTree tree;
    auto source = FilesSource::open_root(tree.root(), std::move(options));
    HF_CHECK(source.ok());
    std::size_t events = 0;
    for (auto _ : state) {
        const auto walked = walk_all(**source);
        HF_CHECK(walked.ok());
        events += walked.value();
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(events));
}

void bm_walk(benchmark::State& state) {
    walk(state, {});
}
BENCHMARK(bm_walk)->Unit(benchmark::kMillisecond);

void bm_walk_with_excludes(benchmark::State& state) {
    FilesOptions options;
    for (const char* pattern : {"*.o", "*.tmp", "/build/", "node_modules/", "cache/**/old", "core"})
        HF_CHECK(options.rules.add(pattern).ok());
    walk(state, std::move(options));
}
BENCHMARK(bm_walk_with_excludes)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace holdfast

BENCHMARK_MAIN();
