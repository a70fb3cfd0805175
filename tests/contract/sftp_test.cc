// What the contract does not ask of an SFTP storage: hosts, keys, and connections that die.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include "base/random.h"
#include "storage/storage.h"

namespace holdfast {
namespace {

std::string required(const char* variable) {
    const char* const value = std::getenv(variable);
    if (value == nullptr) ADD_FAILURE() << variable << " is not set: run this by tests/servers/with_server.py";
    return value == nullptr ? "" : value;
}

StorageOptions quick() {
    StorageOptions options;
    options.backoff.total = 30 * ns_per_second;
    return options;
}

// Reads another configuration of ssh as long as it lives.
class SshConfiguration {
  public:
    explicit SshConfiguration(const std::string& name) : before_(required("HOLDFAST_SSH_CONFIG")) {
        ::setenv("HOLDFAST_SSH_CONFIG", (required("HOLDFAST_TEST_SFTP_DIRECTORY") + '/' + name).c_str(), 1);
    }
    ~SshConfiguration() { ::setenv("HOLDFAST_SSH_CONFIG", before_.c_str(), 1); }

  private:
    const std::string before_;
};

// A server that the test may kill.
class SpareServer {
  public:
    SpareServer() : name_(to_hex(system_random().array<8>())) { start(); }
    ~SpareServer() { stop(); }

    std::string url() const { return required("HOLDFAST_TEST_SFTP_SPARE") + '/' + name_; }
    std::string directory() const { return required("HOLDFAST_TEST_SFTP_DIRECTORY") + "/data/" + name_; }

    void start() {
        std::istringstream command(required("HOLDFAST_TEST_SSHD"));
        std::vector<std::string> words;
        for (std::string word; command >> word;) words.push_back(word);
        std::vector<char*> arguments;
        for (std::string& word : words) arguments.push_back(word.data());
        arguments.push_back(nullptr);
        ASSERT_EQ(::posix_spawn(&server_, arguments[0], nullptr, nullptr, arguments.data(), environ), 0);
    }
    void stop() {
        if (server_ <= 0) return;
        kill_connections();
        ::kill(server_, SIGKILL);
        ::waitpid(server_, nullptr, 0);
        server_ = 0;
    }
    // Its children, each of which serves a connection, and theirs.
    std::size_t kill_connections(int signal = SIGKILL) {
        const std::multimap<pid_t, pid_t> children = all_children();
        std::vector<pid_t> found{server_};
        for (std::size_t i = 0; i < found.size(); ++i) {
            const auto [begin, end] = children.equal_range(found[i]);
            for (auto child = begin; child != end; ++child) found.push_back(child->second);
        }
        for (std::size_t i = 1; i < found.size(); ++i) ::kill(found[i], signal);
        return found.size() - 1;
    }

  private:
    static std::multimap<pid_t, pid_t> all_children() {
        std::multimap<pid_t, pid_t> children;
        for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
            const pid_t pid = std::atoi(entry.path().filename().c_str());
            std::ifstream file(entry.path() / "stat");
            std::string text;
            if (pid == 0 || !std::getline(file, text) || text.rfind(')') == std::string::npos) continue;
            std::istringstream fields(text.substr(text.rfind(')') + 1));
            std::string state;
            pid_t parent = 0;
            if (fields >> state >> parent) children.emplace(parent, pid);
        }
        return children;
    }

    const std::string name_;
    pid_t server_ = 0;
};

TEST(SftpTest, AHostThatIsNotKnownIsRefused) {
    const SshConfiguration configuration("ssh_config_no_hosts");
    const auto storage = open_storage(required("HOLDFAST_TEST_SFTP") + "/x", OpenMode::create, quick());
    ASSERT_FALSE(storage.ok());
    EXPECT_EQ(storage.error().code(), ErrorCode::permission_denied);
    EXPECT_NE(storage.error().message().find("connect once with ssh"), std::string::npos) << storage.error().message();
}

TEST(SftpTest, AHostWhoseKeyHasChangedIsRefused) {
    const SshConfiguration configuration("ssh_config_changed_hosts");
    const auto storage = open_storage(required("HOLDFAST_TEST_SFTP") + "/x", OpenMode::create, quick());
    ASSERT_FALSE(storage.ok());
    EXPECT_EQ(storage.error().code(), ErrorCode::permission_denied);
    EXPECT_NE(storage.error().message().find("not the one that is known"), std::string::npos)
        << storage.error().message();
}

TEST(SftpTest, AKeyThatIsNotAcceptedIsRefused) {
    const SshConfiguration configuration("ssh_config_strange_key");
    const auto storage = open_storage(required("HOLDFAST_TEST_SFTP") + "/x", OpenMode::create, quick());
    ASSERT_FALSE(storage.ok());
    EXPECT_EQ(storage.error().code(), ErrorCode::permission_denied) << storage.error().message();
}

TEST(SftpTest, AConfigurationThatIsMissingIsSaid) {
    const SshConfiguration configuration("nothing");
    EXPECT_EQ(open_storage(required("HOLDFAST_TEST_SFTP") + "/x", OpenMode::create, quick()).error().code(),
              ErrorCode::invalid_argument);
}

TEST(SftpTest, ADirectoryThatIsMissingIsNotMadeSilently) {
    EXPECT_EQ(open_storage(required("HOLDFAST_TEST_SFTP") + "/none", OpenMode::existing, quick()).error().code(),
              ErrorCode::not_found);
}

TEST(SftpTest, ADirectoryThatIsNotEmptyIsRefused) {
    const SpareServer server;
    std::filesystem::create_directories(server.directory() + "/keys");
    std::filesystem::create_directories(server.directory() + "/tmp");
    // What an init leaves that was killed.
    std::ofstream(server.directory() + "/keys/0123456789abcdef0123456789abcdef") << "x";
    std::ofstream(server.directory() + "/tmp/0123456789abcdef-1") << "x";
    EXPECT_TRUE(open_storage(server.url(), OpenMode::create, quick()).ok());
    std::ofstream(server.directory() + "/letter.txt") << "x";
    EXPECT_EQ(open_storage(server.url(), OpenMode::create, quick()).error().code(), ErrorCode::already_exists);
}

TEST(SftpTest, ADirectoryGoesWithItsLastObject) {
    const SpareServer server;
    const auto storage = open_storage(server.url(), OpenMode::create, quick()).value();
    for (const char* const name : {"data/1/a", "data/1/b"})
        ASSERT_TRUE(storage->put(name, as_bytes("x"), Durability::immediate).ok());
    ASSERT_TRUE(storage->remove("data/1/a").ok());
    ASSERT_TRUE(storage->barrier().ok());
    EXPECT_TRUE(std::filesystem::exists(server.directory() + "/data/1"));
    ASSERT_TRUE(storage->remove("data/1/b").ok());
    ASSERT_TRUE(storage->barrier().ok());
    EXPECT_FALSE(std::filesystem::exists(server.directory() + "/data/1"));
    EXPECT_TRUE(std::filesystem::exists(server.directory() + "/data"));
    ASSERT_TRUE(storage->put("data/1/a", as_bytes("x"), Durability::immediate).ok());
    EXPECT_EQ(storage->get("data/1/a", 10).value().size(), 1u);
}

TEST(SftpTest, WhatWritersLeftDaysAgoIsRemoved) {
    const SpareServer server;
    const auto storage = open_storage(server.url(), OpenMode::create, quick()).value();
    std::filesystem::create_directories(server.directory() + "/tmp");
    const std::string old_one = server.directory() + "/tmp/0123456789abcdef-1";
    const std::string new_one = server.directory() + "/tmp/0123456789abcdef-2";
    for (const std::string& path : {old_one, new_one}) std::ofstream(path) << "x";
    std::filesystem::last_write_time(old_one, std::filesystem::last_write_time(old_one) - std::chrono::hours(49));
    ASSERT_TRUE(storage->put("config", as_bytes("x"), Durability::immediate).ok());
    EXPECT_FALSE(std::filesystem::exists(old_one));
    EXPECT_TRUE(std::filesystem::exists(new_one));
}

TEST(SftpTest, MoreWritersThanConnectionsDoNotWaitForEachOther) {
    const SpareServer server;
    const auto storage = open_storage(server.url(), OpenMode::create, quick()).value();
    std::vector<std::unique_ptr<ObjectWriter>> writers;
    for (int i = 0; i < 6; ++i) {
        writers.push_back(storage->begin("data/" + std::to_string(i)).value());
        ASSERT_TRUE(writers.back()->append(Bytes(100'000)).ok());
    }
    ASSERT_TRUE(storage->put("config", as_bytes("x"), Durability::immediate).ok());
    for (const auto& writer : writers) ASSERT_TRUE(writer->commit(Durability::deferred).ok());
    EXPECT_EQ(list_objects(*storage, "").value().size(), 7u);
}

TEST(SftpTest, WhatIsWantedAfterConnectionsHaveDiedIsGotByNewOnes) {
    SpareServer server;
    const auto storage = open_storage(server.url(), OpenMode::create, quick()).value();
    const Bytes data(3'000'000, 7);
    ASSERT_TRUE(storage->put("data/a", data, Durability::immediate).ok());
    EXPECT_GE(server.kill_connections(), 1u);
    EXPECT_EQ(storage->get("data/a", 1 << 22).value(), data);
    server.kill_connections();
    EXPECT_EQ(storage->head("data/a")->bytes, data.size());
    server.kill_connections();
    EXPECT_EQ(list_objects(*storage, "").value().size(), 1u);
    server.kill_connections();
    ASSERT_TRUE(storage->remove("data/a").ok());
    EXPECT_TRUE(list_objects(*storage, "").value().empty());
}

TEST(SftpTest, AServerThatComesBackIsWaitedFor) {
    SpareServer server;
    const auto storage = open_storage(server.url(), OpenMode::create, quick()).value();
    ASSERT_TRUE(storage->put("data/a", as_bytes("x"), Durability::immediate).ok());
    server.stop();
    std::jthread later([&server] {
        std::this_thread::sleep_for(std::chrono::seconds(1));
        server.start();
    });
    EXPECT_EQ(storage->get("data/a", 10).value().size(), 1u);
}

TEST(SftpTest, WaitingForAServerIsInterrupted) {
    SpareServer server;
    std::stop_source stop;
    StorageOptions options;
    options.stop = stop.get_token();
    const auto storage = open_storage(server.url(), OpenMode::create, options).value();
    server.stop();
    std::jthread later([&stop] {
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
        stop.request_stop();
    });
    EXPECT_EQ(storage->head("data/a").error().code(), ErrorCode::cancelled);
}

TEST(SftpTest, WaitingForAnAnswerIsInterrupted) {
    SpareServer server;
    std::stop_source stop;
    StorageOptions options;
    options.stop = stop.get_token();
    const auto storage = open_storage(server.url(), OpenMode::create, options).value();
    ASSERT_GE(server.kill_connections(SIGSTOP), 1u);
    std::jthread later([&stop] {
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
        stop.request_stop();
    });
    EXPECT_EQ(storage->head("data/a").error().code(), ErrorCode::cancelled);
}

// The server ends a connection on which nothing answers it for 6 s or more.
TEST(SftpTest, AStreamMayPause) {
    SpareServer server;
    const auto storage = open_storage(server.url(), OpenMode::create, quick()).value();
    auto writer = storage->begin("data/a").value();
    ASSERT_TRUE(writer->append(Bytes(5'000'000)).ok());
    std::this_thread::sleep_for(std::chrono::seconds(16));
    ASSERT_TRUE(writer->append(Bytes(5'000'000)).ok());
    const Status committed = writer->commit(Durability::immediate);
    EXPECT_TRUE(committed.ok()) << committed.error().describe();
    EXPECT_EQ(storage->head("data/a")->bytes, 10'000'000u);
}

TEST(SftpTest, AStreamThatLosesItsConnectionFails) {
    SpareServer server;
    const auto storage = open_storage(server.url(), OpenMode::create, quick()).value();
    auto writer = storage->begin("data/a").value();
    ASSERT_TRUE(writer->append(Bytes(5'000'000)).ok());
    server.kill_connections();
    Status written = writer->append(Bytes(5'000'000));
    if (written.ok()) written = writer->commit(Durability::immediate);
    EXPECT_EQ(written.error().code(), ErrorCode::unavailable);
    writer.reset();
    EXPECT_TRUE(list_objects(*storage, "").value().empty());
    ASSERT_TRUE(storage->put("data/a", as_bytes("x"), Durability::immediate).ok());
}

// Connections are killed after every few puts: each put that is acknowledged is there, and none says that its own
// object is in its way.
TEST(SftpTest, NoPutIsLostOrDoubledWhileConnectionsDie) {
    SpareServer server;
    StorageOptions options = quick();
    options.backoff.first = ns_per_second / 100;
    const auto storage = open_storage(server.url(), OpenMode::create, options).value();
    std::atomic<std::size_t> done = 0;
    std::size_t killed = 0;
    {
        std::jthread killer([&](const std::stop_token& stop) {
            for (std::size_t seen = 0; !stop.stop_requested();) {
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
                if (done < seen + 8) continue;
                seen = done;
                killed += server.kill_connections();
            }
        });
        std::vector<std::jthread> writers;
        for (int thread = 0; thread < 3; ++thread)
            writers.emplace_back([&storage, &done, thread] {
                for (int i = 0; i < 80; ++i) {
                    const std::string name = "data/" + std::to_string(thread) + '-' + std::to_string(i);
                    const Status put = storage->put(name, Bytes(200'000, static_cast<std::uint8_t>(i)),
                                                    Durability::immediate);
                    ASSERT_TRUE(put.ok()) << put.error().describe();
                    ++done;
                }
            });
        writers.clear();
    }
    EXPECT_GE(killed, 1u);
    const auto objects = list_objects(*storage, "").value();
    EXPECT_EQ(objects.size(), 240u);
    for (const ObjectInfo& object : objects) EXPECT_EQ(object.bytes, 200'000u) << object.name;
}

}  // namespace
}  // namespace holdfast
