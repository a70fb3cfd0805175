// Runs every file of a corpus through its target, without libFuzzer: what crashed once stays fixed.
// usage: replay CORPUS
#include <cstdio>
#include <filesystem>
#include <map>
#include <string>

#include "base/file_io.h"
#include "targets.h"

namespace holdfast {
namespace {

constexpr std::uint64_t max_seed_bytes = 1 << 20;

using Target = void (*)(ByteSpan);

const std::map<std::string, Target>& targets() {
#define HF_FUZZ_ENTRY(name) {#name, fuzz_##name},
    static const std::map<std::string, Target> table{HF_FUZZ_TARGETS(HF_FUZZ_ENTRY)};
#undef HF_FUZZ_ENTRY
    return table;
}

// Returns the files that ran; 0 when one of them cannot be read.
std::size_t replay_folder(const std::filesystem::path& folder, Target target) {
    std::size_t files = 0;
    for (const auto& file : std::filesystem::directory_iterator(folder)) {
        const std::string path = file.path().string();
        // Stands in the log before a crash does.
        std::printf("%s\n", path.c_str());
        std::fflush(stdout);
        const auto data = read_file(path, max_seed_bytes);
        if (!data.ok()) {
            std::printf("%s\n", data.error().describe().c_str());
            return 0;
        }
        target(*data);
        ++files;
    }
    return files;
}

// Every folder needs a target and every target a folder with files.
int replay(const std::filesystem::path& corpus) {
    std::size_t files = 0;
    for (const auto& folder : std::filesystem::directory_iterator(corpus)) {
        const std::string name = folder.path().filename().string();
        if (!targets().contains(name)) {
            std::printf("%s: no target has this name\n", folder.path().c_str());
            return 1;
        }
    }
    for (const auto& [name, target] : targets()) {
        target({});
        const std::filesystem::path folder = corpus / name;
        const std::size_t count =
            std::filesystem::is_directory(folder) ? replay_folder(folder, target) : 0;
        if (count == 0) {
            std::printf(
                "%s: the target %s has no seeds that can be read\n", folder.c_str(), name.c_str());
            return 1;
        }
        files += count;
    }
    std::printf("%zu targets, %zu files\n", targets().size(), files);
    return 0;
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
    if (argc == 2) return holdfast::replay(argv[1]);
    std::fprintf(stderr, "usage: replay CORPUS\n");
    return 2;
}
