#include "repository/pack_writer.h"

#include <algorithm>
#include <utility>

namespace holdfast {
namespace {

// What the encoder has sealed is handed to the storage in pieces of this size.
constexpr std::size_t drain_bytes = 1u << 20;

}  // namespace

PackWriter::PackWriter(Storage& storage,
                       const Keyring& keyring,
                       ObjectKind kind,
                       SessionId session,
                       std::uint64_t optional_features,
                       Random& random)
    : storage_(storage),
      keyring_(keyring),
      kind_(kind),
      session_(session),
      optional_features_(optional_features),
      random_(random),
      output_(std::in_place, 1, queued_pieces),
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

Status PackWriter::status() const {
    std::lock_guard lock(mutex_);
    return status_;
}

void PackWriter::fail(Status status) {
    std::lock_guard lock(mutex_);
    if (status_.ok()) status_ = std::move(status);
    queue_.clear();
    queue_total_ = 0;
    changed_.notify_all();
}

void PackWriter::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] {
            return !queue_.empty() || closing_ || flush_ == Flush::wanted || !status_.ok();
        });
        if (!status_.ok()) return;
        if (queue_.empty() && flush_ == Flush::wanted) {
            flush_ = Flush::running;
            lock.unlock();
            close_open_pack();
            output([this]() -> Status {
                std::lock_guard guard(mutex_);
                flush_ = Flush::none;
                changed_.notify_all();
                return {};
            });
            lock.lock();
            continue;
        }
        if (queue_.empty()) return;
        EncodedChunk chunk = std::move(queue_.front());
        queue_.pop_front();
        const std::size_t bytes = chunk.bytes();
        lock.unlock();
        seal(std::move(chunk));
        lock.lock();
        queue_total_ -= std::min(queue_total_, bytes);  // a failure has emptied the queue
        changed_.notify_all();
    }
}

std::uint64_t PackWriter::target_bytes(std::uint64_t open_bytes) const {
    return std::clamp((sealed_bytes_ + open_bytes) / 64, min_pack_bytes, max_pack_bytes);
}

// A chunk may be larger than what a pack exceeds its target by.
bool PackWriter::would_overflow(const EncodedChunk& chunk) const {
    constexpr std::uint64_t table_bytes = 1u << 20;
    return encoder_->body_bytes() + chunk.bytes() + table_bytes > capacity_;
}

void PackWriter::seal(EncodedChunk chunk) {
    if (encoder_ && would_overflow(chunk)) close_pack();
    if (!encoder_) {
        small_total_ += chunk.bytes();
        small_.push_back(std::move(chunk));
        if (small_total_ >= small_bytes) open_pack();
        return;
    }
    encoder_->add_chunk(std::move(chunk));
    const std::uint64_t size = encoder_->body_bytes();
    if (size >= target_bytes(size)) close_pack();
    else if (encoder_->pending_bytes() >= drain_bytes) drain();
}

void PackWriter::open_pack() {
    ObjectKey key = keyring_.new_object(kind_, random_);
    key.header.optional_features = optional_features_;
    encoder_ = std::make_shared<ObjectEncoder>(std::move(key));
    const Container container{encoder_->header(), session_, {}, 0, 0};
    const std::uint64_t expected = std::max<std::uint64_t>(target_bytes(0), small_total_);
    capacity_ = ParityEncoder::capacity_for(expected);
    const bool has_parity = encoder_->has_parity();
    output([this, name = container_name(container), expected, has_parity]() -> Status {
        body_hasher_ = Hasher();
        parity_.reset();
        if (has_parity) parity_.emplace(expected);
        HF_TRY(object_, storage_.begin(name));
        return {};
    });
    for (EncodedChunk& chunk : small_) {
        encoder_->add_chunk(std::move(chunk));
        drain();
    }
    small_.clear();
    small_total_ = 0;
}

void PackWriter::drain() {
    // std::function wants to be copied; the bytes are not.
    output([this, pieces = std::make_shared<const std::vector<Bytes>>(
                      encoder_->take_pending())]() -> Status {
        for (const Bytes& piece : *pieces) {
            body_hasher_.update(piece);
            if (parity_) parity_->update(piece);
            HF_TRY_STATUS(object_->append(piece));
        }
        return {};
    });
}

void PackWriter::close_pack() {
    encoder_->finish_body();
    drain();
    sealed_bytes_ += encoder_->body_bytes();
    output([this, encoder = std::exchange(encoder_, nullptr)] { return write_end(*encoder); });
}

void PackWriter::output(std::function<Status()> task) {
    output_->submit([this, task = std::move(task)] {
        if (!status().ok()) return;
        Status done = task();
        if (!done.ok()) fail(std::move(done));
    });
}

Status PackWriter::write_end(const ObjectEncoder& encoder) {
    const Bytes end =
        encoder.end(body_hasher_.finish(), parity_ ? parity_->finish() : Parity{});
    parity_.reset();
    HF_TRY_STATUS(object_->append(end));
    HF_TRY_STATUS(object_->commit(Durability::deferred));
    object_.reset();
    FinishedContainer done;
    done.container = {encoder.header(), session_, {}, 0, encoder.body_bytes() + end.size()};
    done.chunks = locations_of(encoder.table(), encoder.header(), 0);
    std::lock_guard lock(mutex_);
    finished_.push_back(std::move(done));
    return {};
}

void PackWriter::close_open_pack() {
    if (!encoder_ && !small_.empty()) open_pack();
    if (encoder_) close_pack();
}

Status PackWriter::flush() {
    std::unique_lock lock(mutex_);
    flush_ = Flush::wanted;
    changed_.notify_all();
    changed_.wait(lock, [this] { return flush_ == Flush::none || !status_.ok(); });
    return status_;
}

Result<std::vector<EncodedChunk>> PackWriter::finish(SmallRest rest) {
    {
        std::lock_guard lock(mutex_);
        closing_ = true;
    }
    changed_.notify_all();
    thread_.join();
    if (rest == SmallRest::write || encoder_) close_open_pack();
    output_.reset();
    HF_TRY_STATUS(status());
    return std::exchange(small_, {});
}

}  // namespace holdfast
