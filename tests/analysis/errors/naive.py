"""The diagnoses once more, one detection at a time, from their definitions alone."""

import numpy as np


def iou(a, b, crowd=False):
    """Intersection over union of two boxes; over the first one's area for crowds."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    area = (a[2] - a[0]) * (a[3] - a[1])
    other = 0.0 if crowd else (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return width * height / (area + other)


def images_of(detections, objects):
    """For each image its detections, best first, and its objects, as dictionaries."""
    images = []
    for found, true in zip(detections, objects, strict=True):
        rows = [
            {"place": k, "box": b, "label": c, "score": s}
            for k, (b, c, s) in enumerate(
                zip(found.boxes.tolist(), found.labels.tolist(), found.scores.tolist(), strict=True)
            )
        ]
        rows.sort(key=lambda row: -row["score"])
        things = [
            {"box": b, "label": c, "difficult": d, "crowd": w}
            for b, c, d, w in zip(
                true.boxes.tolist(),
                true.labels.tolist(),
                true.difficult.tolist(),
                true.crowd.tolist(),
                strict=True,
            )
        ]
        images.append((rows, things))
    return images


def greedy(rows, things, least):
    """Each detection takes the free object of its class that it overlaps most."""
    free = list(range(len(things)))
    taken = []
    for row in rows:
        options = [
            (iou(row["box"], things[k]["box"]), -k)
            for k in free
            if things[k]["label"] == row["label"]
        ]
        overlap, place = max(options, default=(0.0, 0))
        if overlap >= least:
            taken.append(things[-place])
            free.remove(-place)
        else:
            taken.append(None)
    return taken


def precision_at_levels(points, count):
    """Mean over 101 levels of recall of the largest precision from there on."""
    points = sorted(points, key=lambda point: -point[0])
    curve, right = [], 0
    for rank, (_, hit) in enumerate(points, start=1):
        right += hit
        curve.append((right / count, right / rank))
    return (
        sum(max((p for r, p in curve if r >= level / 100), default=0.0) for level in range(101))
        / 101
    )


def tide(detections, objects, threshold=0.5, background=0.1):
    """AP, gains by type (and FalsePos, FalseNeg), counts and labels."""
    base, counts, errors, right, fates = {}, {}, [], [], []
    for image, (rows, things) in enumerate(images_of(detections, objects)):
        solid = [thing for thing in things if not (thing["crowd"] or thing["difficult"])]
        soft = [thing for thing in things if thing["crowd"] or thing["difficult"]]
        for thing in solid:
            counts[thing["label"]] = counts.get(thing["label"], 0) + 1
            thing["used"] = False
        for row, thing in zip(rows, greedy(rows, solid, threshold), strict=True):
            row["image"], row["hit"] = image, thing
            if thing is not None:
                thing["used"] = True
        for row in rows:
            row["out"] = row["hit"] is None and any(
                iou(row["box"], thing["box"], thing["crowd"]) > threshold
                and thing["label"] == row["label"]
                for thing in soft
            )
            row["to"] = None
            if row["hit"] is not None:
                row["type"] = "TP"
                right.append(row)
                continue
            pairs = [(iou(row["box"], thing["box"]), -k) for k, thing in enumerate(solid)]
            same = [p for p in pairs if solid[-p[1]]["label"] == row["label"]]
            other = [p for p in pairs if solid[-p[1]]["label"] != row["label"]]
            best = max(same, default=(0.0, 0))
            best_other = max(other, default=(0.0, 0))
            if background <= best[0] <= threshold:
                row["type"], row["to"] = "Loc", solid[-best[1]]
            elif best_other[0] >= threshold:
                row["type"], row["to"] = "Cls", solid[-best_other[1]]
            elif any(p[0] >= threshold and solid[-p[1]]["used"] for p in same):
                row["type"] = "Dupe"
            elif max(pairs, default=(0.0, 0))[0] <= background:
                row["type"] = "Bkg"
            else:
                row["type"] = "Both"
            errors.append(row)
        mended = set()
        for row in rows:
            thing = row["to"]
            row["mended"] = thing is not None and not thing["used"] and id(thing) not in mended
            if row["mended"]:
                mended.add(id(thing))
        fates += [(thing, id(thing) in mended) for thing in solid]

    def score(kind=None, fewer=None, perfect=False):
        points = {}
        for row in right:
            points.setdefault(row["label"], []).append((2.0 if perfect else row["score"], True))
        for row in errors:
            label, hit = row["label"], False
            if row["type"] == kind:
                if not row["mended"]:
                    continue
                label, hit = row["to"]["label"], True
            elif row["out"]:
                continue
            points.setdefault(label, []).append((-1.0 if perfect else row["score"], hit))
        left = dict(counts)
        for thing, is_mended in fates:
            if not thing["used"] and (fewer == "all" or (fewer == "missed" and not is_mended)):
                left[thing["label"]] -= 1
        labels = set(points) | {label for label, count in left.items() if count}
        values = [
            precision_at_levels(points.get(label, []), left[label]) if left.get(label) else 0.0
            for label in labels
        ]
        return sum(values) / len(values) if values else 0.0

    base = score()
    kinds = ("Cls", "Loc", "Both", "Dupe", "Bkg")
    gains = [max(0.0, score(kind) - base) for kind in kinds]
    gains.append(max(0.0, score(fewer="missed") - base))
    gains += [score(perfect=True) - base, score(fewer="all") - base]
    numbers = [sum(row["type"] == kind for row in errors) for kind in kinds]
    numbers.append(sum(not thing["used"] and not mended for thing, mended in fates))
    labels = [[None] * len(found.labels) for found in detections]
    for row in right + errors:
        labels[row["image"]][row["place"]] = row["type"]
    return base, gains, numbers, [name for image in labels for name in image]


def hoiem(detections, objects, similar, strong=0.5, weak=0.1):
    """The label of every detection in the order of the input; `similar` is a table of classes."""
    labels = []
    for rows, things in images_of(detections, objects):
        single = [thing for thing in things if not thing["crowd"]]
        crowds = [thing for thing in things if thing["crowd"]]
        names = [None] * len(rows)
        for row, thing in zip(rows, greedy(rows, single, strong), strict=True):
            near = [t for t in single if iou(row["box"], t["box"]) >= weak]
            if thing is not None:
                name = "Ignored" if thing["difficult"] else "Cor"
            elif any(
                iou(row["box"], t["box"], crowd=True) > strong and t["label"] == row["label"]
                for t in crowds
            ):
                name = "Ignored"
            elif any(t["label"] == row["label"] for t in near):
                name = "Loc"
            elif any(similar[row["label"]][t["label"]] for t in near):
                name = "Sim"
            else:
                name = "Oth" if near else "BG"
            names[row["place"]] = name
        labels += names
    return labels


def area(right, wrong, count):
    """Area under precision over recall: `right` and `wrong` are scores."""
    points = sorted([(s, True) for s in right] + [(s, False) for s in wrong], reverse=True)
    hits = np.cumsum([hit for _, hit in points])
    precision = hits / np.arange(1, len(points) + 1)
    return sum(precision[k:].max() for k, (_, hit) in enumerate(points) if hit) / count
