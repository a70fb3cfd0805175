#include "api/notification.h"

#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "api/secret.h"
#include "base/subprocess.h"
#include "config/config.h"
#include "http/http_client.h"
#include "http/url.h"

namespace holdfast {
namespace {

// Names of files may hold anything; a mail's lines hold text.
std::string one_line(std::string text) {
    for (char& c : text)
        if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) == 0x7f) c = ' ';
    return text;
}

std::string summary_of(const Notification& one) {
    return std::string(state_event_name(one.event)) + ": backup of " + one.source + " on " + one_line(one.host);
}

void replace_all(std::string& text, const std::string& secret) {
    if (secret.size() < 2) return;
    for (std::size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at + 3))
        text.replace(at, secret.size(), "...");
}

// Requests a stop when the time is over.
class Alarm {
  public:
    Alarm(TimeNs timeout, const std::stop_token& outer)
        : forward_(outer, [this] { source_.request_stop(); }),
          thread_([this, timeout](const std::stop_token& stop) {
              std::unique_lock lock(mutex_);
              over_.wait_for(lock, stop, std::chrono::nanoseconds(timeout), [] { return false; });
              if (!stop.stop_requested()) source_.request_stop();
          }) {}
    std::stop_token token() const { return source_.get_token(); }

  private:
    std::stop_source source_;
    std::mutex mutex_;
    std::condition_variable_any over_;
    std::stop_callback<std::function<void()>> forward_;
    std::jthread thread_;
};

Status send_mail(const NotifyConfig& config, const Notification& notification, const std::stop_token& stop) {
    ShellCommand command;
    command.command = config.mail->command;
    command.input = mail_text(config, notification);
    command.timeout = config.timeout;
    HF_TRY(const int status, run_shell_command(command, system_clock(), stop));
    if (status != 0)
        return Error(ErrorCode::unavailable, "the command for mail ended with status " + std::to_string(status));
    return {};
}

Status post(const NotifyConfig& config, const std::string& url, const Notification& notification, const std::stop_token& stop) {
    const std::string document = webhook_document(notification);
    const Alarm alarm(config.timeout, stop);
    HttpOptions options;
    options.ca_file = config.webhook->ca_file;
    options.max_connections = 1;
    options.stop = alarm.token();
    HF_TRY(const auto client, HttpClient::open(std::move(options)));
    HttpRequest request;
    request.method = "POST";
    request.url = url;
    request.headers = {{"Content-Type", "application/json"}};
    for (const auto& [name, variable] : config.webhook->headers) {
        std::string value = variable.text;
        if (variable.secret) {
            HF_TRY(value, read_secret(*variable.secret));
        }
        request.headers.push_back({name, value});
    }
    request.body = as_bytes(document);
    auto response = client->perform(std::move(request));
    if (!response.ok() && response.error().code() == ErrorCode::cancelled && !stop.stop_requested())
        return Error(ErrorCode::unavailable,
                     "no answer after " + std::to_string(config.timeout / ns_per_second) + " seconds");
    if (!response.ok()) return std::move(response).error();
    if (!response->is_success())
        return Error(ErrorCode::unavailable, "the webhook answered with status " + std::to_string(response->status));
    return {};
}

Status send_webhook(const NotifyConfig& config, const Notification& notification, const std::stop_token& stop) {
    HF_TRY(const std::string url, read_secret(config.webhook->url));
    if (!parse_url(url).ok()) return Error(ErrorCode::invalid_argument, "the webhook's URL is none");
    const Status posted = post(config, url, notification, stop);
    if (posted.ok()) return {};
    // The URL lets whoever has it write.
    std::string text = posted.error().message();
    replace_all(text, url);
    const std::size_t path = url.find('/', url.find("://") + 3);
    if (path != std::string::npos) replace_all(text, url.substr(path));
    return Error(posted.error().code(), text);
}

}  // namespace

std::string mail_text(const NotifyConfig& config, const Notification& one) {
    std::string to;
    for (const std::string& address : config.mail->to) to += (to.empty() ? "" : ", ") + address;
    std::string text = "From: " + config.mail->from + "\nTo: " + to + "\nSubject: [holdfast] " + summary_of(one) +
                       "\nAuto-Submitted: auto-generated\nMIME-Version: 1.0\n"
                       "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n";
    text += "source:        " + one.source + "\nhost:          " + one_line(one.host) + "\nrepository:    " +
            one.repository + "\nstate:         " + std::string(source_state_name(one.state)) + "\ntime:          " +
            format_rfc3339(one.time / ns_per_second * ns_per_second) + '\n';
    if (!one.restore_point.empty()) text += "restore point: " + one.restore_point + '\n';
    if (!one.error.empty()) text += "error:         " + one_line(one.error) + '\n';
    return text;
}

std::string webhook_document(const Notification& one) {
    const nlohmann::json document = {{"schema", 1},
                                     {"event", state_event_name(one.event)},
                                     {"state", source_state_name(one.state)},
                                     {"source", one.source},
                                     {"host", one.host},
                                     {"repository", one.repository},
                                     {"restore_point", one.restore_point},
                                     {"error", one.error},
                                     {"time", format_rfc3339(one.time)},
                                     // What chat services show.
                                     {"text", summary_of(one) + (one.error.empty() ? "" : ": " + one.error)}};
    return document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string_view notify_way_name(NotifyWay way) {
    return way == NotifyWay::mail ? "mail" : "webhook";
}

std::vector<NotifyWay> notify_ways(const NotifyConfig& config) {
    std::vector<NotifyWay> ways;
    if (config.mail) ways.push_back(NotifyWay::mail);
    if (config.webhook) ways.push_back(NotifyWay::webhook);
    return ways;
}

Status notify(const NotifyConfig& config, NotifyWay way, const Notification& notification, const std::stop_token& stop) {
    return way == NotifyWay::mail ? send_mail(config, notification, stop) : send_webhook(config, notification, stop);
}

}  // namespace holdfast
