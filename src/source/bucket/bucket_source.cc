#include "source/bucket/bucket_source.h"

#include "s3/bucket.h"
#include "source/bucket/bucket_file.h"
#include "source/bucket/listed_tree.h"

namespace holdfast {
namespace {

constexpr std::size_t batch_events = 256;
// Small objects that are on their way at once for each reading thread; with two threads that is about what there are
// connections for (HttpOptions::max_connections). 128 KiB each at most: 1 MiB.
constexpr std::size_t objects_ahead = 8;

// A directory of keys, which nothing has to be kept open for.
class BucketDirectory final : public SourceDirectory {
  public:
    BucketDirectory(std::shared_ptr<const BucketDirectory> parent, std::string name, KeyDirectory keys)
        : parent_(std::move(parent)), name_(std::move(name)), keys_(std::move(keys)) {}

    std::string path() const override {
        const std::string above = parent_ ? parent_->path() : "";
        return above.empty() ? name_ : above + '/' + name_;
    }
    const std::string& name() const { return name_; }
    const KeyDirectory& keys() const { return keys_; }

  private:
    const std::shared_ptr<const BucketDirectory> parent_;
    const std::string name_;
    const KeyDirectory keys_;
};

class BucketStream final : public SourceStream {
  public:
    BucketStream(S3Client& client, ObjectVersions versions) : client_(client), versions_(versions) {}

    Status next(std::vector<SourceEvent>& batch) override {
        if (!started_) {
            started_ = true;
            HF_TRY_STATUS(list());
            enter("", KeyDirectory{client_.location().key_prefix(), false}, batch);
        }
        while (!directories_.empty() && batch.size() < batch_events) {
            ListedObject object;
            HF_TRY(const bool is_there, tree_.next(object));
            if (is_there) visit(object, batch);
            else leave_to(0, batch);
        }
        return {};
    }

  private:
    Status list() {
        const std::string prefix = client_.location().key_prefix();
        const auto add_object = [this, &prefix](S3Object& object) -> Result<bool> {
            object.key.erase(0, prefix.size());
            HF_TRY_STATUS(tree_.add(std::move(object)));
            return true;
        };
        const auto add_version = [this, &prefix](S3Version& version) -> Result<bool> {
            version.object.key.erase(0, prefix.size());
            HF_TRY_STATUS(tree_.add(std::move(version)));
            return true;
        };
        HF_TRY_STATUS(versions_ == ObjectVersions::all ? for_each_version(client_, prefix, add_version)
                                                       : for_each_object(client_, prefix, add_object));
        return tree_.finish();
    }

    void enter(const std::string& name, KeyDirectory keys, std::vector<SourceEvent>& batch) {
        const auto parent = directories_.empty() ? nullptr : directories_.back();
        SourceEvent event;
        event.kind = SourceEventKind::enter;
        event.name = name;
        event.metadata = directory_metadata();
        event.parent = parent;
        batch.push_back(std::move(event));
        directories_.push_back(std::make_shared<BucketDirectory>(parent, name, std::move(keys)));
    }

    // Leaves directories until so many are open.
    void leave_to(std::size_t depth, std::vector<SourceEvent>& batch) {
        for (; directories_.size() > depth; directories_.pop_back()) {
            SourceEvent event;
            event.kind = SourceEventKind::leave;
            batch.push_back(std::move(event));
        }
    }

    void visit(ListedObject& object, std::vector<SourceEvent>& batch) {
        const std::size_t above = object.path.size() - 1;
        std::size_t common = 0;
        while (common < above && common + 1 < directories_.size() &&
               directories_[common + 1]->name() == object.path[common])
            ++common;
        leave_to(common + 1, batch);
        for (; common < above; ++common)
            enter(object.path[common], directory_below(directories_.back()->keys(), object.path[common]), batch);
        SourceEvent event;
        event.name = object.path.back();
        event.parent = directories_.back();
        event.metadata = metadata_of(object);
        batch.push_back(std::move(event));
    }

    S3Client& client_;
    const ObjectVersions versions_;
    bool started_ = false;
    ListedTree tree_;
    std::vector<std::shared_ptr<BucketDirectory>> directories_;  // the open ones, the root first
};

}  // namespace

Result<std::unique_ptr<SourceStream>> BucketSource::walk() {
    return std::unique_ptr<SourceStream>(std::make_unique<BucketStream>(*client_, versions_));
}

Result<std::unique_ptr<SourceFile>> BucketSource::open(const SourceEvent& event) {
    const auto* const directory = dynamic_cast<const BucketDirectory*>(event.parent.get());
    HF_CHECK(directory != nullptr);
    const KeyDirectory& keys = directory->keys();
    const std::string key = keys.holds_versions ? keys.key : object_below(keys, event.name);
    return std::unique_ptr<SourceFile>(std::make_unique<BucketFile>(*client_, key, event.metadata, sends_conditions_));
}

std::size_t BucketSource::opens_ahead() const { return objects_ahead; }

}  // namespace holdfast
