// A repository in a container of an OpenStack Swift service.
#pragma once

#include "storage/storage.h"
#include "storage/swift/name_turns.h"
#include "storage/swift/swift_client.h"

namespace holdfast {

// An object of the repository is an object of the container: the prefix, '/', the name. What is acknowledged is
// durable: barrier() and Durability have nothing to do. Writers collect in a temporary file (SpooledWriter).
//
// Swift looks whether a name is free when a put begins, not when it ends, and of two puts that pass this look the later
// one stays. So each put carries a mark of its own, and what is stored afterwards is looked at: whoever does not find
// his mark has lost. Two processes can still both win when one of them ends, and has looked, before the other one ends;
// docs/explanation/object-storage.md says what that means.
class SwiftStorage final : public Storage {
  public:
    // `location` is what follows "swift:" (parse_swift_location). With OpenMode::create a container that is missing is
    // made. Errors: unsupported when the service does not refuse to replace an object.
    static Result<std::unique_ptr<Storage>> open(const std::string& location,
                                                 OpenMode mode,
                                                 const StorageOptions& options,
                                                 const Environment& environment);

    std::string description() const override { return client_->location().description(); }
    StorageTraits traits() const override { return {.is_remote = true}; }
    Status put(const std::string& name, ByteSpan data, Durability durability) override;
    Result<std::unique_ptr<ObjectWriter>> begin(const std::string& name) override;
    Result<std::unique_ptr<ObjectWriter>> begin_again(const std::string& name) override;
    Status adopt(const std::string& name) override;
    Status barrier() override { return {}; }
    Result<std::size_t> read_some(const std::string& name, std::uint64_t offset, MutableByteSpan out) override;
    Result<Bytes> get(const std::string& name, std::uint64_t limit_bytes) override;
    Result<ObjectInfo> head(const std::string& name) override;
    Status list(const std::string& prefix,
                const std::function<bool(const ObjectInfo&)>& visit) override;
    Status remove(const std::string& name) override;

  private:
    explicit SwiftStorage(std::unique_ptr<SwiftClient> client) : client_(std::move(client)) {}
    Status make_container();
    Status check_conditions();
    std::string key_of(const std::string& name) const;
    SwiftRequest request(std::string method, const std::string& name) const;
    SwiftRequest put_request(const std::string& name, ByteSpan data) const;
    Status replace(const std::string& name, ByteSpan data);
    Result<std::optional<std::string>> mark_of(const std::string& name);

    const std::unique_ptr<SwiftClient> client_;
    NameTurns turns_;  // of puts
};

}  // namespace holdfast
