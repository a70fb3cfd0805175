// Connections to one SFTP server, which threads take turns with.
#pragma once

#include <condition_variable>
#include <mutex>
#include <utility>

#include "base/backoff.h"
#include "storage/sftp/sftp_client.h"

namespace holdfast {

// At most four connections, made when they are wanted. Who wants another one waits for an operation to end; when there
// is none, as all are held by writers, who may be the one that waits, he gets a fifth. Thread-safe.
class SftpPool {
  public:
    // How long a connection is held: by an operation, which ends by itself, or as long as a file is written.
    enum class Use : std::uint8_t { operation, writer };

    // A connection that is lent. One that has failed is not given back, and those that are idle go with it: they are
    // likely to have died with it.
    class Loan {
      public:
        Loan(SftpPool& pool, Use use, std::unique_ptr<SftpClient> client)
            : pool_(&pool), use_(use), client_(std::move(client)) {}
        ~Loan() { give_back(); }
        Loan(Loan&& other) noexcept : pool_(other.pool_), use_(other.use_), client_(std::move(other.client_)) {
            other.pool_ = nullptr;
        }
        Loan& operator=(Loan&&) = delete;

        SftpClient& client() { return *client_; }
        void give_back();

      private:
        friend class SftpPool;
        SftpPool* pool_;  // null: given back
        const Use use_;
        std::unique_ptr<SftpClient> client_;
    };

    SftpPool(SftpLocation location, SshOptions options, BackoffPolicy policy, const Clock& clock, Random& random)
        : location_(std::move(location)), options_(std::move(options)), policy_(policy), clock_(clock), random_(random) {}

    const SftpLocation& location() const { return location_; }
    const Clock& clock() const { return clock_; }
    Random& random() const { return random_; }

    // Errors: those of SshConnection::open().
    Result<Loan> borrow(Use use);

    // `operation` is given a connection and the number of this try, from 1 on, and returns a Status or a Result. It is
    // tried again as long as its error may pass: one that was tried before may have been carried out.
    template <typename Operation>
    auto attempt(Operation operation) -> decltype(operation(std::declval<SftpClient&>(), 1u)) {
        using Outcome = decltype(operation(std::declval<SftpClient&>(), 1u));
        return repeat([&](unsigned tries) -> Outcome {
            HF_TRY(Loan loan, borrow(Use::operation));
            return operation(loan.client(), tries);
        });
    }
    // The same for what keeps the connection, when it succeeds.
    template <typename Operation>
    auto attempt_to_hold(Operation operation) -> decltype(operation(std::declval<Loan>())) {
        using Outcome = decltype(operation(std::declval<Loan>()));
        return repeat([&](unsigned) -> Outcome {
            HF_TRY(Loan loan, borrow(Use::writer));
            return operation(std::move(loan));
        });
    }

  private:
    template <typename Try>
    auto repeat(Try one_try) -> decltype(one_try(1u));

    static constexpr std::size_t max_connections = 4;

    const SftpLocation location_;
    const SshOptions options_;
    const BackoffPolicy policy_;
    const Clock& clock_;
    Random& random_;
    std::mutex mutex_;  // guards what follows
    std::condition_variable_any given_back_;
    std::vector<std::unique_ptr<SftpClient>> idle_;
    std::size_t operations_ = 0, writers_ = 0;  // that hold one
};

template <typename Try>
auto SftpPool::repeat(Try one_try) -> decltype(one_try(1u)) {
    Backoff backoff(policy_, clock_, random_);
    for (unsigned tries = 1;; ++tries) {
        auto outcome = one_try(tries);
        if (outcome.ok() || outcome.error().code() != ErrorCode::unavailable) return outcome;
        if (backoff.wait(options_.stop)) continue;
        if (options_.stop.stop_requested()) return Error(ErrorCode::cancelled, "interrupted");
        return outcome;
    }
}

}  // namespace holdfast
