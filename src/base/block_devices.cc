#include "base/block_devices.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <set>
#include <string_view>

#include "base/bytes.h"
#include "base/file_io.h"

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
    std::string type, source;
};

// The mount of the device, from /proc/self/mountinfo: "36 35 98:0 /a /b rw opt:1 - ext3 /dev/root rw".
std::optional<Mount> mount_of(const std::string& number) {
    const auto data = read_file("/proc/self/mountinfo", max_text_bytes);
    if (!data.ok()) return std::nullopt;
    std::string_view rest = as_text(*data);
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        const std::string_view line = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        const std::size_t divider = line.find(" - ");
        if (divider == std::string_view::npos || line.find(' ' + number + ' ') > divider) continue;
        const std::string_view tail = line.substr(divider + 3);
        const std::size_t blank = tail.find(' ');
        if (blank == std::string_view::npos) continue;
        const std::string_view source = tail.substr(blank + 1);
        return Mount{std::string(tail.substr(0, blank)), std::string(source.substr(0, source.find(' ')))};
    }
    return std::nullopt;
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
        devices.insert("server " + std::string(server.substr(0, server.find_first_of(":/"))));
        return;
    }
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

std::vector<std::string> devices_below(const std::string& path) {
    Devices devices;
    add_devices_of_path(path, 0, devices);
    return {devices.begin(), devices.end()};
}

}  // namespace holdfast
