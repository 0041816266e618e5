"""Follow an object in a webcam or video; Esc or q ends.

python examples/webcam_tracker.py 0
python examples/webcam_tracker.py video.mp4 --box 120,80,64,64 --save tracked.mp4
"""

import argparse
from contextlib import nullcontext

import cv2

from qatm import runtime

parser = argparse.ArgumentParser(description="Follow an object in a webcam or video.")
parser.add_argument("source", help="camera index such as 0, video file, folder or URL")
parser.add_argument("--box", metavar="X,Y,W,H", help="the object; without it, use the mouse")
parser.add_argument("--save", metavar="VIDEO", help="write a video instead of opening a window")
arguments = parser.parse_args()

with runtime.Video(arguments.source, live=arguments.source.isdigit()) as video:
    writer = runtime.VideoWriter(arguments.save, video.fps) if arguments.save else None
    first = next(video)
    box = arguments.box.split(",") if arguments.box else cv2.selectROI("qatm", first.image)
    with runtime.Tracker() as tracker, writer or nullcontext():
        tracker.init(first.image, [float(value) for value in box])
        for frame in video:
            found, (x, y, w, h) = tracker.update(frame.image)
            place = f"{x:.0f},{y:.0f},{w:.0f},{h:.0f}" if found else "lost"
            print(f"{frame.index} {frame.time:.2f} s: {place}")
            corners = (round(x), round(y)), (round(x + w), round(y + h))
            cv2.rectangle(frame.image, *corners, (0, 200, 0) if found else (128, 128, 128), 2)
            if writer:
                writer.write(frame.image, frame.time)
                continue
            cv2.imshow("qatm", frame.image)
            if cv2.waitKey(1) in (27, ord("q")):
                break
