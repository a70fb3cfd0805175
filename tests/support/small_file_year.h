// Small files of which one in a hundred changes each day, backed up and pruned day by day.
#pragma once

#include "repository/prune.h"
#include "support/model_backup.h"

namespace holdfast {

class SmallFileYear {
  public:
    static constexpr std::size_t file_count = 1600, file_bytes = 8000, days = 365, kept_days = 30;

    // `cache` as for TestRepository.
    explicit SmallFileYear(std::string cache) : test(std::move(cache), 1) {
        tree.metadata.type = EntryType::directory;
        tree.metadata.mode = 0755;
        for (std::size_t i = 0; i < file_count; ++i) write(i, 0);
    }

    // The backup of the next day, and the prune after it.
    BackupReport next_day() {
        if (day_ != 0)
            for (std::size_t i = 0; i < file_count / 100; ++i) write(random_() % file_count, day_);
        ++day_;
        ModelSource source(tree);
        const BackupReport report = test.backup(source, BackupType::incremental);
        const auto points = test.repository->points(std::nullopt).value();
        PruneOptions options;
        for (std::size_t i = kept_days; i < points.size(); ++i) options.removing.insert(points[i].id);
        Progress progress;
        const WriterIdentity pruner{"pruner", "a machine", "a boot", 1, 1};
        const auto pruned = run_prune(*test.repository, options, pruner, progress, {});
        if (!pruned.ok()) throw std::runtime_error(pruned.error().describe());
        return report;
    }

    // What the points that are kept refer to, of contents.
    std::uint64_t referenced_bytes() const {
        const std::size_t versions =
            file_count + file_count / 100 * std::min(day_ - 1, kept_days - 1);
        return versions * file_bytes;
    }

    // All that has been written since the first day.
    std::uint64_t changed_bytes() const { return (day_ - 1) * (file_count / 100) * file_bytes; }

    TestRepository test;
    ModelNode tree;  // as the last backup saw it

  private:
    void write(std::size_t number, std::uint64_t version) {
        ModelNode& file = tree.children["file" + std::to_string(10'000 + number)];
        file.metadata.inode = number + 2;
        file.metadata.mtime = file.metadata.ctime = epoch + static_cast<TimeNs>(version) * 1000;
        file.metadata.size = file_bytes;
        file.content.resize(file_bytes);
        for (std::uint8_t& byte : file.content) byte = static_cast<std::uint8_t>(random_());
    }

    std::mt19937_64 random_{1};
    std::size_t day_ = 0;
};

}  // namespace holdfast
