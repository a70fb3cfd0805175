// Reads files in several threads: small ones in groups, large ones in chunks.
#pragma once

#include "backup/file_content.h"
#include "backup/file_task.h"

namespace holdfast {

// Files below this size share chunks.
inline constexpr std::uint64_t small_file_bytes = 128u << 10;
// A group closes at a name that says so from here on, and at the maximum in any case: groups of a
// tree that changed a little are mostly the same groups.
inline constexpr std::uint64_t group_min_bytes = 768u << 10, group_max_bytes = 1280u << 10;
inline constexpr std::size_t group_max_files = 1024;

// submit_* are for one thread. Memory: 5 MiB of buffers for each reading thread, and what
// ChunkSink holds.
class ContentPipeline {
  public:
    ContentPipeline(Source& source,
                    const ContentContext& context,
                    std::size_t threads);

    // Files of less than small_file_bytes each and about group_max_bytes together.
    void submit_group(std::vector<std::shared_ptr<FileTask>> group);
    void submit_file(std::shared_ptr<FileTask> task);
    // Waits for everything that was submitted.
    void finish();

  private:
    struct Group;
    void read_group(std::vector<std::shared_ptr<FileTask>>& group);
    void read_file(FileTask& task);
    // Reads a small file to the group's end; false when it has to be read as a large one.
    bool read_small(FileTask& task, Group& group);
    void store_group(Group& group);
    Result<std::unique_ptr<SourceFile>> open(FileTask& task);
    // Whether what was read is what the file held at one moment.
    template <typename ReadContent>
    Result<bool> read_once(SourceFile& file,
                           FileTask& task,
                           int attempt,
                           ReadContent& read_content);
    // Opens and reads until nothing changes meanwhile.
    template <typename ReadContent>
    void read_stable(FileTask& task, ReadContent read_content);
    Result<Content> read_large(SourceFile& file, FileTask& task, std::uint64_t bytes);

    Source& source_;
    ContentContext context_;
    LendingPool<FileContentReader> readers_;
    std::unique_ptr<WorkerPool> pool_;
};

}  // namespace holdfast
