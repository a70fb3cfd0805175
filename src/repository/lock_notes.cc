#include "repository/lock_notes.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>

#include "base/file_io.h"

namespace holdfast {
namespace {

// The first line says when it is due, each other one what is locked: its kind, and an id.
constexpr char object_kind = 'o', point_kind = 'p', session_kind = 's';

std::optional<TimeNs> parse_due(std::string_view line) {
    TimeNs due = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), due);
    if (error != std::errc() || end != line.data() + line.size()) return std::nullopt;
    return due;
}

template <typename Id>
bool read_id(std::string_view text, std::set<Id>& ids) {
    const auto id = Id::from_hex(text);
    if (id) ids.insert(*id);
    return id.has_value();
}

}  // namespace

LockNotes LockNotes::load(std::string path, TimeNs now, TimeNs generation) {
    LockNotes none;
    none.path_ = std::move(path);
    if (none.path_.empty()) return none;
    const auto data = read_file(none.path_, max_file_bytes);
    if (!data.ok()) return none;
    LockNotes notes = none;
    std::string_view rest = as_text(*data);
    bool is_sound = rest.ends_with('\n');
    for (bool is_first = true; is_sound && !rest.empty(); is_first = false) {
        const std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(line.size() + 1);
        if (is_first) {
            const auto due = parse_due(line);
            is_sound = due && now < *due && *due - now <= generation;
            notes.first_line_ = std::string(line) + '\n';
        } else {
            is_sound = notes.read(line);
        }
    }
    if (!is_sound) return none;
    notes.is_new_ = false;
    return notes;
}

bool LockNotes::read(std::string_view line) {
    if (line.size() < 2 || line[1] != ' ') return false;
    const std::string_view id = line.substr(2);
    if (line[0] == object_kind) return read_id(id, objects_);
    if (line[0] == session_kind) return read_id(id, sessions_);
    return line[0] == point_kind && read_id(id, points_);
}

void LockNotes::reset(TimeNs due) {
    objects_.clear();
    points_.clear();
    sessions_.clear();
    is_new_ = true;
    first_line_ = std::to_string(due) + '\n';
    added_ = first_line_;
}

void LockNotes::add_object(const ObjectId& object) {
    if (objects_.insert(object).second) note(object_kind, object.hex());
}

void LockNotes::add_session(const SessionId& session) {
    if (sessions_.insert(session).second) note(session_kind, session.hex());
}

void LockNotes::add_point(const RestorePointId& point) {
    if (points_.insert(point).second) note(point_kind, point.hex());
}

void LockNotes::note(char kind, const std::string& id) {
    added_ += kind;
    added_ += ' ' + id + '\n';
}

void LockNotes::keep() {
    if (path_.empty() || added_.empty()) return;
    if (is_new_) {
        if (!make_directories(path_.substr(0, path_.rfind('/')), 0700).ok()) return;
        (void)replace_file(path_, as_bytes(added_), 0600).ok();
    } else if (const auto file = open_file(path_, O_RDWR | O_APPEND); file.ok()) {
        // What is due later must not be said of what was locked for less.
        std::string line(first_line_.size(), '\0');
        const ssize_t got = ::pread(file->get(), line.data(), line.size(), 0);
        if (got == static_cast<ssize_t>(line.size()) && line == first_line_)
            (void)write_all(file->get(), as_bytes(added_), path_.c_str()).ok();
    }
    is_new_ = false;
    added_.clear();
}

}  // namespace holdfast
