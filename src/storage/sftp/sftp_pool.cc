#include "storage/sftp/sftp_pool.h"

namespace holdfast {

Result<SftpPool::Loan> SftpPool::borrow(Use use) {
    std::unique_lock lock(mutex_);
    const bool is_free = given_back_.wait(lock, options_.stop, [this] {
        return operations_ + writers_ < max_connections || operations_ == 0;
    });
    if (!is_free) return Error(ErrorCode::cancelled, "interrupted");
    ++(use == Use::operation ? operations_ : writers_);
    std::unique_ptr<SftpClient> client;
    if (!idle_.empty()) {
        client = std::move(idle_.back());
        idle_.pop_back();
    }
    lock.unlock();
    Loan loan(*this, use, std::move(client));
    if (!loan.client_) {
        HF_TRY(loan.client_, SftpClient::open(location_, options_));
    }
    return loan;
}

void SftpPool::Loan::give_back() {
    if (pool_ == nullptr) return;
    SftpPool& pool = *std::exchange(pool_, nullptr);
    // Closed when no lock is held: that may take a while.
    std::vector<std::unique_ptr<SftpClient>> dead;
    {
        const std::lock_guard lock(pool.mutex_);
        --(use_ == Use::operation ? pool.operations_ : pool.writers_);
        if (client_ && client_->is_reusable()) {
            pool.idle_.push_back(std::move(client_));
        } else if (client_) {
            dead.swap(pool.idle_);
        }
    }
    client_.reset();
    pool.given_back_.notify_all();
}

}  // namespace holdfast
