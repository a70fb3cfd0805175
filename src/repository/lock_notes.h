// What this machine knows of the locks of what a source's restore points need. docs/format.md#locks.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "format/ids.h"

namespace holdfast {

// A file in the local cache, which may go at any time: what is not noted is locked once more. It says that all that some points
// of the source need stays for a period from any moment before `due`. Not thread-safe; two processes may add to one file.
// Memory and disk: about 40 bytes for each object, for 1,600,000 objects; where there are more, nothing is known.
class LockNotes {
  public:
    static constexpr std::size_t max_file_bytes = 64u << 20;

    // Those of before `now`; nothing where they are not to be had, damaged or due, or due later than after `generation`: a
    // clock that was wrong must not put it off for ever. An empty path: nothing is kept.
    static LockNotes load(std::string path, TimeNs now, TimeNs generation);
    // Begins anew.
    void reset(TimeNs due);
    // All that the point needs is locked.
    bool has_point(const RestorePointId& point) const { return points_.contains(point); }
    // The object is, or the session that stored it.
    bool has(const ObjectId& object, const SessionId& session) const {
        return objects_.contains(object) || points_.contains(object) || sessions_.contains(session);
    }
    void add_object(const ObjectId& object);
    void add_point(const RestorePointId& point);
    // All that it has stored. Only of a session of this process: a point of another one may name any.
    void add_session(const SessionId& session);
    // Writes what was added, unless another process has begun anew meanwhile. What cannot be written is not known the next time.
    void keep();

  private:
    bool read(std::string_view line);
    void note(char kind, const std::string& id);

    std::string path_;
    std::string first_line_;  // when it is due
    bool is_new_ = true;
    std::string added_;  // lines
    std::set<ObjectId> objects_;
    std::set<RestorePointId> points_;
    std::set<SessionId> sessions_;
};

}  // namespace holdfast
