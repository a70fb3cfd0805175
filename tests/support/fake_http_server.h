// A fake HTTP server: it answers on loopback what a test tells it to, and remembers what it was asked.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"

namespace holdfast {

struct FakeRequest {
    std::string method;
    std::string target;  // path and query
    std::string head;    // all of it, as it was sent
    std::string body;

    bool has(const std::string& header_line) const { return head.find(header_line + "\r\n") != std::string::npos; }
};

struct FakeAnswer {
    int status = 200;
    std::string headers;  // each line ends with "\r\n"
    std::string body;
};

// One connection at a time, each for one request.
class FakeHttpServer {
  public:
    using Handler = std::function<FakeAnswer(const FakeRequest&)>;

    explicit FakeHttpServer(Handler handler)
        : handler_(std::move(handler)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        auto* const general = reinterpret_cast<sockaddr*>(&address);
        socklen_t size = sizeof address;
        if (::bind(listener_.get(), general, size) != 0 || ::listen(listener_.get(), 16) != 0 ||
            ::getsockname(listener_.get(), general, &size) != 0)
            throw std::runtime_error("no socket on loopback");
        port_ = ntohs(address.sin_port);
        thread_ = std::jthread([this] { serve(); });
    }
    ~FakeHttpServer() {
        ::shutdown(listener_.get(), SHUT_RDWR);
        thread_.join();
    }
    FakeHttpServer(const FakeHttpServer&) = delete;
    FakeHttpServer& operator=(const FakeHttpServer&) = delete;

    std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
    std::vector<FakeRequest> requests() const {
        const std::lock_guard lock(mutex_);
        return requests_;
    }

  private:
    void serve() {
        for (;;) {
            const UniqueFd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
            if (!connection.valid()) return;
            answer(connection.get());
        }
    }

    void answer(int connection) {
        FakeRequest request;
        std::string received;
        const auto receive = [connection, &received] {
            char part[4096];
            const ssize_t got = ::recv(connection, part, sizeof part, 0);
            if (got > 0) received.append(part, static_cast<std::size_t>(got));
            return got > 0;
        };
        std::size_t end;
        while ((end = received.find("\r\n\r\n")) == std::string::npos)
            if (!receive()) return;
        request.head = received.substr(0, end + 2);
        request.method = request.head.substr(0, request.head.find(' '));
        request.target = request.head.substr(request.method.size() + 1);
        request.target.resize(request.target.find(' '));
        std::size_t length = 0;
        if (const auto at = request.head.find("Content-Length: "); at != std::string::npos)
            length = std::stoul(request.head.substr(at + 16));
        while (received.size() < end + 4 + length)
            if (!receive()) return;
        request.body = received.substr(end + 4);
        {
            const std::lock_guard lock(mutex_);
            requests_.push_back(request);
        }
        const FakeAnswer told = handler_(request);
        const std::string length_line = told.headers.find("Content-Length") == std::string::npos
                                            ? "Content-Length: " + std::to_string(told.body.size()) + "\r\n"
                                            : "";
        const std::string answer = "HTTP/1.1 " + std::to_string(told.status) + " told\r\nConnection: close\r\n" +
                                   length_line + told.headers + "\r\n" + told.body;
        for (std::size_t sent = 0; sent < answer.size();) {
            const ssize_t part = ::send(connection, answer.data() + sent, answer.size() - sent, MSG_NOSIGNAL);
            if (part <= 0) return;
            sent += static_cast<std::size_t>(part);
        }
    }

    const Handler handler_;
    const UniqueFd listener_;
    std::uint16_t port_ = 0;
    mutable std::mutex mutex_;  // guards what follows
    std::vector<FakeRequest> requests_;
    std::jthread thread_;
};

}  // namespace holdfast
