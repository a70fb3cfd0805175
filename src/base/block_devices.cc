#include "base/block_devices.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string_view>

#include "base/bytes.h"
#include "base/file_io.h"
#include "base/lower_case.h"

namespace holdfast {
namespace {

// Volumes on loop devices on volumes: who nests deeper than this is not followed.
constexpr int max_depth = 8;
constexpr std::uint64_t max_text_bytes = 4u << 20;

using Devices = std::set<std::string>;

void add_devices_of_path(const std::string& path, int depth, Devices& devices);

std::string number_of(dev_t device) {
    return std::to_string(major(device)) + ':' + std::to_string(minor(device));
}

// Without the end of the line; empty when it cannot be read.
std::string line_of(const std::string& path) {
    const auto data = read_file(path, max_text_bytes);
    if (!data.ok()) return "";
    const std::string_view text = as_text(*data);
    return std::string(text.substr(0, text.find('\n')));
}

bool exists(const std::string& path) {
    struct stat info{};
    return ::stat(path.c_str(), &info) == 0;
}

std::string resolved(const std::string& path) {
    const std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), std::free);
    return real ? real.get() : "";
}

std::vector<std::string> names_in(const std::string& directory) {
    std::vector<std::string> names;
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(directory.c_str()), ::closedir);
    if (!stream) return names;
    while (const dirent* entry = ::readdir(stream.get()))
        if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
    return names;
}

// `directory`: of a block device below /sys.
void add_block_device(const std::string& directory, int depth, Devices& devices) {
    if (directory.empty() || depth > max_depth) return;
    if (exists(directory + "/partition"))
        return add_block_device(directory.substr(0, directory.rfind('/')), depth + 1, devices);
    if (const std::string file = line_of(directory + "/loop/backing_file"); !file.empty())
        return add_devices_of_path(file, depth + 1, devices);
    const std::vector<std::string> below = names_in(directory + "/slaves");
    for (const std::string& name : below) add_block_device(resolved(directory + "/slaves/" + name), depth + 1, devices);
    if (!below.empty()) return;
    if (const std::string number = line_of(directory + "/dev"); !number.empty()) devices.insert("disk " + number);
}

struct Mount {
    std::string number, point, type, source, options;
};

// Octal escapes of blanks, tabs, ends of lines and backslashes: "\\040".
std::string unescaped(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool is_escape = text[i] == '\\' && i + 3 < text.size();
        if (!is_escape) {
            result += text[i];
            continue;
        }
        result += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
        i += 3;
    }
    return result;
}

std::vector<std::string> words_of(std::string_view line) {
    std::vector<std::string> words;
    while (!line.empty()) {
        const std::size_t blank = std::min(line.find(' '), line.size());
        words.emplace_back(line.substr(0, blank));
        line.remove_prefix(std::min(blank + 1, line.size()));
    }
    return words;
}

// Shows `visit` each mount of /proc/self/mountinfo: "36 35 98:0 /a /b rw opt:1 - ext3 /dev/root rw".
void for_each_mount(const std::function<void(const Mount&)>& visit) {
    const auto data = read_file("/proc/self/mountinfo", max_text_bytes);
    if (!data.ok()) return;
    std::string_view rest = as_text(*data);
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        const std::string_view line = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        const std::size_t divider = line.find(" - ");
        if (divider == std::string_view::npos) continue;
        const auto head = words_of(line.substr(0, divider)), tail = words_of(line.substr(divider + 3));
        if (head.size() < 5 || tail.size() < 3) continue;
        visit({head[2], unescaped(head[4]), tail[0], unescaped(tail[1]), unescaped(tail[2])});
    }
}

std::optional<Mount> mount_of(const std::string& number) {
    std::optional<Mount> found;
    for_each_mount([&](const Mount& mount) {
        if (!found && mount.number == number) found = mount;
    });
    return found;
}

// The value of "NAME=" among options with commas between them.
std::string option_of(const std::string& options, const std::string& name) {
    const std::size_t begin = (',' + options).find(',' + name + '=');
    if (begin == std::string::npos) return "";
    const std::size_t value = begin + name.size() + 1;
    return options.substr(value, options.find(',', value) - value);
}

void add_device(dev_t device, int depth, Devices& devices) {
    const std::string number = number_of(device);
    if (const std::string directory = resolved("/sys/dev/block/" + number); !directory.empty())
        return add_block_device(directory, depth, devices);
    const auto mount = mount_of(number);
    struct stat info{};
    // btrfs and the like: the file system has a number of its own, its source is a device.
    if (mount && mount->source.starts_with("/dev/") && ::stat(mount->source.c_str(), &info) == 0 && S_ISBLK(info.st_mode)) {
        const std::size_t before = devices.size();
        add_block_device(resolved("/sys/dev/block/" + number_of(info.st_rdev)), depth, devices);
        if (devices.size() != before) return;
    }
    if (mount && (mount->type.starts_with("nfs") || mount->type == "ceph" || mount->type == "cifs" ||
                  mount->type == "smb3" || mount->type == "fuse.sshfs")) {
        std::string_view server = mount->source;
        while (server.starts_with('/')) server.remove_prefix(1);
        devices.insert("server " + in_lower_case(std::string(server.substr(0, server.find_first_of(":/")))));
        return;
    }
    // What is written to it goes there.
    if (mount && mount->type == "overlay")
        if (const std::string upper = option_of(mount->options, "upperdir"); !upper.empty() && exists(upper))
            return add_devices_of_path(upper, depth + 1, devices);
    // Data sets of one pool are on the same disks.
    if (mount && mount->type == "zfs") devices.insert("pool " + mount->source.substr(0, mount->source.find('/')));
    else devices.insert("file system " + number);
}

void add_devices_of_path(const std::string& path, int depth, Devices& devices) {
    if (depth > max_depth) return;
    struct stat info{};
    std::string nearest = path;
    while (::stat(nearest.empty() ? "/" : nearest.c_str(), &info) != 0) {
        const std::size_t slash = nearest.rfind('/');
        if (nearest.empty()) return;
        nearest = slash == std::string::npos ? "." : nearest.substr(0, slash);
        if (slash == std::string::npos && ::stat(".", &info) == 0) break;
    }
    add_device(S_ISBLK(info.st_mode) ? info.st_rdev : info.st_dev, depth, devices);
}

}  // namespace

std::vector<std::string> devices_below_tree(const std::string& path) {
    Devices devices;
    add_devices_of_path(path, 0, devices);
    const std::string prefix = path.ends_with('/') ? path : path + '/';
    for_each_mount([&](const Mount& mount) {
        if (mount.point.starts_with(prefix)) add_devices_of_path(mount.point, 0, devices);
    });
    return {devices.begin(), devices.end()};
}

std::vector<std::string> devices_below(const std::string& path) {
    Devices devices;
    add_devices_of_path(path, 0, devices);
    return {devices.begin(), devices.end()};
}

}  // namespace holdfast
