#include "repository/pack_writer.h"

namespace holdfast {
namespace {

// What the encoder has sealed is handed to the storage in pieces of this size.
constexpr std::size_t drain_bytes = 1u << 20;

}  // namespace

PackWriter::PackWriter(Storage& storage,
                       const Keyring& keyring,
                       ObjectKind kind,
                       SessionId session,
                       Random& random)
    : storage_(storage),
      keyring_(keyring),
      kind_(kind),
      session_(session),
      random_(random),
      thread_([this] { run(); }) {}

PackWriter::~PackWriter() {
    {
        std::lock_guard lock(mutex_);
        closing_ = true;
        queue_.clear();
    }
    changed_.notify_all();
}

Status PackWriter::append(EncodedChunk chunk) {
    const std::size_t bytes = chunk.bytes();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return queue_total_ < queued_bytes || !status_.ok(); });
    if (!status_.ok()) return status_.error();
    queue_total_ += bytes;
    appended_bytes_ += bytes + aead_tag_bytes * chunk.frames.size();
    queue_.push_back(std::move(chunk));
    changed_.notify_all();
    return {};
}

std::uint64_t PackWriter::bytes() const {
    std::lock_guard lock(mutex_);
    return appended_bytes_;
}

std::vector<FinishedContainer> PackWriter::take_finished() {
    std::lock_guard lock(mutex_);
    return std::exchange(finished_, {});
}

void PackWriter::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] { return !queue_.empty() || closing_; });
        if (queue_.empty()) return;
        EncodedChunk chunk = std::move(queue_.front());
        queue_.pop_front();
        const std::size_t bytes = chunk.bytes();
        lock.unlock();
        Status status = write(std::move(chunk));
        lock.lock();
        queue_total_ -= bytes;
        if (!status.ok() && status_.ok()) {
            status_ = std::move(status);
            queue_.clear();
            queue_total_ = 0;
        }
        changed_.notify_all();
        if (!status_.ok()) return;
    }
}

Status PackWriter::write(EncodedChunk chunk) {
    if (!encoder_) {
        small_total_ += chunk.bytes();
        small_.push_back(std::move(chunk));
        return small_total_ >= small_bytes ? open_pack() : ok_status();
    }
    encoder_->add_chunk(chunk);
    if (encoder_->total_bytes() >= drain_bytes) HF_TRY_STATUS(drain());
    const std::uint64_t size = encoder_->total_bytes();
    const std::uint64_t target =
        std::clamp((written_bytes_ + size) / 64, min_pack_bytes, max_pack_bytes);
    return size >= target ? close_pack() : ok_status();
}

Status PackWriter::open_pack() {
    encoder_.emplace(keyring_.new_object(kind_, random_));
    Container container{encoder_->header(), session_, {}, 0, 0};
    name_ = container_name(container);
    HF_TRY(object_, storage_.begin(name_));
    for (const EncodedChunk& chunk : small_) encoder_->add_chunk(chunk);
    small_.clear();
    small_total_ = 0;
    return drain();
}

Status PackWriter::drain() {
    return object_->append(encoder_->take_pending());
}

Status PackWriter::close_pack() {
    encoder_->finish();
    HF_TRY_STATUS(drain());
    HF_TRY_STATUS(object_->commit(Durability::deferred));
    object_.reset();
    FinishedContainer done;
    done.container = {encoder_->header(), session_, {}, 0, encoder_->total_bytes()};
    done.chunks = locations_of(encoder_->table(), encoder_->header(), 0);
    written_bytes_ += encoder_->total_bytes();
    encoder_.reset();
    std::lock_guard lock(mutex_);
    finished_.push_back(std::move(done));
    return {};
}

Result<std::vector<EncodedChunk>> PackWriter::finish(SmallRest rest) {
    {
        std::lock_guard lock(mutex_);
        closing_ = true;
    }
    changed_.notify_all();
    thread_.join();
    if (!status_.ok()) return status_.error();
    if (!encoder_ && !small_.empty() && rest == SmallRest::write) HF_TRY_STATUS(open_pack());
    if (encoder_) HF_TRY_STATUS(close_pack());
    return std::exchange(small_, {});
}

}  // namespace holdfast
