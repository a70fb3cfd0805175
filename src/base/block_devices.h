// Which hardware a path is on.
#pragma once

#include <string>
#include <vector>

namespace holdfast {

// Names of what would take the path with it when it is lost, sorted: the disks below its file system, through partitions,
// volume managers, RAID and loop devices ("disk 8:0"); of a network file system its server ("server NAME"); of anything else
// the file system itself ("file system 0:45"). What of the path is missing counts as its nearest directory that is there.
// Empty when nothing can be found out. Source: proc(5) mountinfo, the kernel's sysfs-block.
std::vector<std::string> devices_below(const std::string& path);
// The same of the path and of all file systems that are mounted below it.
std::vector<std::string> devices_below_tree(const std::string& path);

}  // namespace holdfast
